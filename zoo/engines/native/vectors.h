// Vectors: GCC's vector extension, as wide as the machine's registers.

#pragma once

#include <algorithm>
#include <cstring>

namespace zoo {

// kRows × 4 vectors of sums fit in the registers beside what a product reads.
#if defined(__AVX512F__)
constexpr int kLanes = 16, kRows = 6;
#elif defined(__AVX__)
constexpr int kLanes = 8, kRows = 3;
#elif defined(__aarch64__)
constexpr int kLanes = 4, kRows = 6;
#else
constexpr int kLanes = 4, kRows = 3;
#endif
constexpr int kVectors = 4;  // the most vectors in a panel

typedef float Vec __attribute__((vector_size(4 * kLanes)));
typedef unsigned Bits __attribute__((vector_size(4 * kLanes)));

inline Vec load(const float* from) {
  Vec v;
  std::memcpy(&v, from, sizeof v);  // memcpy: an unaligned load
  return v;
}

inline void store(float* to, Vec v) { std::memcpy(to, &v, sizeof v); }

// The first n lanes: the units past the last full vector, where a tensor's row ends.
inline Vec load(const float* from, int n) {
  if (n == kLanes) return load(from);
  Vec v = {};
  std::memcpy(&v, from, n * sizeof(float));
  return v;
}

inline void store(float* to, Vec v, int n) {
  if (n == kLanes) return store(to, v);
  std::memcpy(to, &v, n * sizeof(float));
}

// Asks for numbers ahead of their use.
inline void fetch(const float* from, long n) {
  for (long i = 0; from && i < n; i += 16) __builtin_prefetch(from + i, 0, 2);
}

inline Vec all(float value) { return Vec{} + value; }

// Comparisons are written so that NaN passes through.
inline Vec clamp(Vec x, float limit) {
  x = x > all(limit) ? all(limit) : x;
  return x < all(-limit) ? all(-limit) : x;
}

// tanh x = x·P(x²)/Q(x²), relative error below 4e-7: a least-maximum fit on [0, 9], where 1 − tanh x falls
// below half a unit in the last place. The second clamp makes ±1 exact.
inline Vec tanh(Vec x) {
  x = clamp(x, 9.f);
  const Vec s = x * x;
  const Vec p = (((1.335435202e-08f * s + 2.060885240e-05f) * s + 3.495574040e-03f) * s + 1.338101381e-01f) * s +
                9.999999795e-01f;
  const Vec q = (((7.776429441e-07f * s + 3.285611823e-04f) * s + 2.587692865e-02f) * s + 4.671432941e-01f) * s +
                1.f;
  return clamp(x * p / q, 1.f);
}

// σ x = 1/(1 + e⁻ˣ), relative error below 3e-7 wherever σ is a normal number. e⁻ˣ = 2ⁿ·eʳ: a number that leaves
// no room for a fraction puts n into the last bits of −x/ln 2, from where it moves to an exponent; eʳ is a
// least-maximum fit on ±ln 2/2; ln 2 is cut in two, so that r is as exact as x. From −88.4 down 2ⁿ is ∞, and a
// gate that is shut is 0: no number is so large that some of it gets through.
inline Vec sigmoid(Vec x) {
  x = x > all(20.f) ? all(20.f) : x;  // 1 + e⁻²⁰ is 1
  x = x < all(-89.f) ? all(-89.f) : x;
  constexpr float kShift = 3 << 22, kExponent = 127;
  const Vec shifted = (kShift + kExponent) - 1.442695041f * x, n = shifted - (kShift + kExponent);
  const Vec r = (-x - 0.693359375f * n) + 2.121944401e-4f * n, two_n = Vec(Bits(shifted) << 23);
  const Vec q = (8.312501297e-3f * r + 4.189033171e-2f) * (r * r) + (1.666711539e-1f * r + 4.999923031e-1f);
  return 1.f / (1.f + (q * (r * r) + (r + 1.f)) * two_n);
}

inline Vec relu(Vec x) { return x < Vec{} ? Vec{} : x; }

// How many of the kLanes units from `unit` on there are.
inline int lanes(long units, long unit) { return int(std::min<long>(kLanes, units - unit)); }

inline long padded(long n) { return (n + kLanes - 1) / kLanes * kLanes; }

}  // namespace zoo
