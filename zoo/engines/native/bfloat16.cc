// Products of bfloat16 numbers by what the processor has for them: AMX, AVX512-BF16, or float32.
//
// Built by native.py, beside native.cc.

#include "bfloat16.h"

#if defined(__AVX512BF16__) || defined(__AMX_BF16__)
#include <immintrin.h>
#endif
#if defined(__AMX_BF16__) && defined(__AVX512F__) && defined(__linux__)
#define ZOO_AMX
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace zoo {

void narrow(const float* from, long n, uint16_t* to) {
  long k = 0;
  for (; k < n; k += kLanes) {
    const Bits bits = rounded(load(from + k, lanes(n, k)));
    for (int lane = 0; lane < kLanes; ++lane) to[k + lane] = uint16_t(bits[lane] >> 16);
  }
  for (; k < padded_depth(n); ++k) to[k] = 0;
}

namespace {

#if defined(ZOO_AMX)

// The kernel lets a process use tiles only once it has asked.
bool allowed() {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

const bool tiles = allowed();

// Eight tiles of 16 rows of 64 bytes.
struct alignas(64) Shapes {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

const Shapes shapes;  // not on the stack: GCC does not see that the instruction reads all of it

// M × N tiles of sums, 0 … 3, from M tiles of rows, 4 and 5, and N of the panel, 6 and 7.
template <int M, int N>
void multiply_tiles(const uint16_t* rows, const float* panel, long depth, int vectors, float* sums) {
  const long line = 64l * vectors, tile = kTileRows * depth;
  _tile_zero(0);
  if (N == 2) _tile_zero(1);
  if (M == 2) _tile_zero(2);
  if (M == 2 && N == 2) _tile_zero(3);
  for (long k = 0; k < depth; k += 32, panel += 16l * vectors * kLanes) {
    _tile_loadd(6, panel, line);
    _tile_loadd(4, rows + k, 2 * depth);
    _tile_dpbf16ps(0, 4, 6);
    if (N == 2) _tile_loadd(7, panel + kLanes, line);
    if (N == 2) _tile_dpbf16ps(1, 4, 7);
    if (M == 2) _tile_loadd(5, rows + tile + k, 2 * depth);
    if (M == 2) _tile_dpbf16ps(2, 5, 6);
    if (M == 2 && N == 2) _tile_dpbf16ps(3, 5, 7);
  }
  float* below = sums + kTileRows * vectors * kLanes;
  _tile_stored(0, sums, line);
  if (N == 2) _tile_stored(1, sums + kLanes, line);
  if (M == 2) _tile_stored(2, below, line);
  if (M == 2 && N == 2) _tile_stored(3, below + kLanes, line);
}

template <int M>
void multiply_by_tiles(const uint16_t* rows, const float* panel, long depth, int vectors, float* sums) {
  int v = 0;
  for (; v + 1 < vectors; v += 2)
    multiply_tiles<M, 2>(rows, panel + v * kLanes, depth, vectors, sums + v * kLanes);
  if (v < vectors) multiply_tiles<M, 1>(rows, panel + v * kLanes, depth, vectors, sums + v * kLanes);
}

#endif

// sum + the products of two numbers each.
inline Vec add_products(Vec sum, uint32_t row, Vec weights) {
#if defined(__AVX512BF16__)
  return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(int(row)), (__m512bh)weights);
#else
  const auto number = [](uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
  };
  sum += number(row << 16) * Vec(Bits(weights) << 16);
  return sum + number(row & 0xffff0000) * Vec(Bits(weights) & 0xffff0000);
#endif
}

template <int R, int V>
void multiply(const uint16_t* rows, const float* panel, long depth, float* sums) {
  Vec sum[R][V] = {};
  for (long k = 0; k < depth; k += 2, panel += V * kLanes) {
    Vec weight[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) weight[v] = load(panel + v * kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      uint32_t row;
      std::memcpy(&row, rows + r * depth + k, sizeof row);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sum[r][v] = add_products(sum[r][v], row, weight[v]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(sums + (r * V + v) * kLanes, sum[r][v]);
}

template <int V>
void multiply_blocks(const uint16_t* rows, long count, const float* panel, long depth, float* sums) {
  using Multiply = void (*)(const uint16_t*, const float*, long, float*);
  static constexpr Multiply table[] = {multiply<1, V>, multiply<std::min(2, kRows), V>, multiply<std::min(3, kRows), V>,
                                       multiply<std::min(4, kRows), V>, multiply<std::min(5, kRows), V>,
                                       multiply<std::min(6, kRows), V>};
  for (long r = 0; r < count; r += kRows)
    table[std::min<long>(kRows, count - r) - 1](rows + r * depth, panel, depth, sums + r * V * kLanes);
}

}  // namespace

void multiply_bfloat16(const uint16_t* rows, long count, const float* panel, long depth, int vectors, float* sums) {
#if defined(ZOO_AMX)
  if (tiles) {
    const auto by_tiles = count > kTileRows ? multiply_by_tiles<2> : multiply_by_tiles<1>;
    return by_tiles(rows, panel, depth, vectors, sums);
  }
#endif
  static constexpr void (*table[])(const uint16_t*, long, const float*, long, float*) = {
      multiply_blocks<1>, multiply_blocks<2>, multiply_blocks<3>, multiply_blocks<4>};
  table[vectors - 1](rows, count, panel, depth, sums);
}

#if defined(ZOO_AMX)
Tiles::Tiles() {
  if (tiles) _tile_loadconfig(&shapes);
}

Tiles::~Tiles() {
  if (tiles) _tile_release();
}
#else
Tiles::Tiles() {}
Tiles::~Tiles() {}
#endif

const char* bfloat16_unit() {
#if defined(ZOO_AMX)
  if (tiles) return "amx";
#endif
#if defined(__AVX512BF16__)
  return "avx512_bf16";
#else
  return "float32";
#endif
}

}  // namespace zoo
