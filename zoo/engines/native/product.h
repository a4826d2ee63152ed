// A few rows times a panel: see product.cc.

#pragma once

#include "vectors.h"

namespace zoo {

// What a product asks the memory for while it runs: a cache line at every depth, `stride` floats apart.
struct Ahead {
  const float* from;
  long stride;
};

// rows[r]·panel → sums [rows, vectors × kLanes]
using Multiply = void (*)(const float* const* rows, const float* panel, long depth, float* sums, Ahead ahead);

// The product of 1 … kRows rows, whose numbers are Step floats apart, and a panel of 1 … kVectors vectors.
template <int Step>
Multiply multiplier(long rows, int vectors);

}  // namespace zoo
