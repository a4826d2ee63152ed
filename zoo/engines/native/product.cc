// R rows times a strip of V vectors, all R × V sums in registers. The numbers of a row are Step floats apart.
//
// Built by native.py, beside native.cc.

#include "product.h"

namespace zoo {
namespace {

template <int R, int V, int Step, bool Packed>
void multiply(const float* const* rows, const Strip& strip, long depth, float* sums, Ahead ahead) {
  const long down = Packed ? V * kLanes : strip.down, apart = Packed ? kLanes : strip.apart;
  const float* weights = strip.data;
  Vec sum[R][V] = {};
  const float* row[R];
  for (int r = 0; r < R; ++r) row[r] = rows[r];
  for (long k = 0; k < depth; ++k, weights += down) {
    Vec weight[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) weight[v] = load(weights + v * apart);
    __builtin_prefetch(ahead.from + k * ahead.stride, 0, 2);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sum[r][v] += row[r][k * Step] * weight[v];
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) store(sums + (r * V + v) * kLanes, sum[r][v]);
}

// As many rows as the table has, but no function for more than there are.
constexpr int most(int rows) { return std::min(rows, kRows); }

template <int V, int Step, bool Packed>
Multiply multiply_rows(long rows) {
  static constexpr Multiply table[] = {
      multiply<most(1), V, Step, Packed>, multiply<most(2), V, Step, Packed>, multiply<most(3), V, Step, Packed>,
      multiply<most(4), V, Step, Packed>, multiply<most(5), V, Step, Packed>, multiply<most(6), V, Step, Packed>};
  return table[rows - 1];
}

template <int Step, bool Packed>
Multiply multiply_vectors(long rows, int vectors) {
  static constexpr Multiply (*table[])(long) = {multiply_rows<1, Step, Packed>, multiply_rows<2, Step, Packed>,
                                                multiply_rows<3, Step, Packed>, multiply_rows<4, Step, Packed>};
  return table[vectors - 1](rows);
}

}  // namespace

// Only panels are met by the columns of a matrix.
template <int Step>
Multiply multiplier(long rows, int vectors, bool packed) {
  return packed || Step > 1 ? multiply_vectors<Step, true>(rows, vectors)
                            : multiply_vectors<1, false>(rows, vectors);
}

template Multiply multiplier<1>(long rows, int vectors, bool packed);
template Multiply multiplier<kLanes>(long rows, int vectors, bool packed);

}  // namespace zoo
