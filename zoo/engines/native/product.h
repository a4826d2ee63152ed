// A few rows times a panel: see product.cc.

#pragma once

#include "vectors.h"

namespace zoo {

// rows[r]·panel → sums [rows, vectors × kLanes]
using Multiply = void (*)(const float* const* rows, const float* panel, long depth, float* sums);

// The product of 1 … kRows rows, whose numbers are Step floats apart, and a panel of 1 … kVectors vectors.
template <int Step>
Multiply multiplier(long rows, int vectors);

}  // namespace zoo
