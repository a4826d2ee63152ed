// R rows times a panel of V vectors, all R × V sums in registers. The numbers of a row are Step floats apart.
//
// Built by native.py, beside native.cc.

#include "product.h"

namespace zoo {
namespace {

template <int R, int V, int Step>
void multiply(const float* const* rows, const float* panel, long depth, float* sums, Ahead ahead) {
  Vec sum[R][V] = {};
  const float* row[R];
  for (int r = 0; r < R; ++r) row[r] = rows[r];
  for (long k = 0; k < depth; ++k, panel += V * kLanes) {
    Vec weight[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) weight[v] = load(panel + v * kLanes);
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

template <int V, int Step>
Multiply multiply_rows(long rows) {
  static constexpr Multiply table[] = {
      multiply<most(1), V, Step>, multiply<most(2), V, Step>, multiply<most(3), V, Step>,
      multiply<most(4), V, Step>, multiply<most(5), V, Step>, multiply<most(6), V, Step>};
  return table[rows - 1];
}

}  // namespace

template <int Step>
Multiply multiplier(long rows, int vectors) {
  static constexpr Multiply (*table[])(long) = {multiply_rows<1, Step>, multiply_rows<2, Step>,
                                                multiply_rows<3, Step>, multiply_rows<4, Step>};
  return table[vectors - 1](rows);
}

template Multiply multiplier<1>(long rows, int vectors);
template Multiply multiplier<kLanes>(long rows, int vectors);

}  // namespace zoo
