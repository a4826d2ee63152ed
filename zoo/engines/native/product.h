// A few rows times a panel: see product.cc.

#pragma once

#include "vectors.h"

namespace zoo {

// Weights of a product: vector v at depth k is at data + k·down + v·apart. Packed, all of them lie in a row.
struct Strip {
  const float* data;
  long down, apart;
  bool packed;
};

// What a product asks the memory for while it runs: a cache line at every depth, `stride` floats apart.
struct Ahead {
  const float* from;
  long stride;
};

// rows[r]·strip → sums [rows, vectors × kLanes]
using Multiply = void (*)(const float* const* rows, const Strip& strip, long depth, float* sums, Ahead ahead);

// The product of 1 … kRows rows, whose numbers are Step floats apart, and a strip of 1 … kVectors vectors.
template <int Step>
Multiply multiplier(long rows, int vectors, bool packed);

}  // namespace zoo
