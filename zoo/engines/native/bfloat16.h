// Products of bfloat16 numbers, summed in float32: the upper half of a float32's bits is its bfloat16.
//
// Two numbers that follow each other in the depth of a product make one word of 32 bits. Rows are arrays of numbers,
// `padded_depth` long, zeros at the end; panels are made of vectors of words, a word for each unit.

#pragma once

#include <cstdint>

#include "vectors.h"

namespace zoo {

// Rows that a product takes at a time at the most, and the multiple that there is room for.
constexpr long kTileRows = 16, kMostRows = 2 * kTileRows;

// How long a row is: whole tiles of 32 numbers.
inline long padded_depth(long depth) { return (depth + 31) / 32 * 32; }

// The nearest bfloat16, the even one of two, in the upper half; not a number stays that.
inline Bits rounded(Vec x) {
  const Bits bits = Bits(x), nearest = bits + 0x7fff + (bits >> 16 & 1);
  return x == x ? nearest : bits | 0x400000;
}

// A vector of words.
inline Vec words(Vec first, Vec second) { return Vec(rounded(first) >> 16 | (rounded(second) & 0xffff0000)); }

// The n numbers of a row, and zeros up to its padded depth.
void narrow(const float* from, long n, uint16_t* to);

// rows·panel → sums [rows, vectors × kLanes], with room for whole tiles of rows. The rows lie `depth` numbers apart,
// which is their padded depth; there is memory to read for whole tiles of them.
void multiply_bfloat16(const uint16_t* rows, long count, const float* panel, long depth, int vectors, float* sums);

// Around such products, in every thread: the processor's tiles, where it has some.
class Tiles {
 public:
  Tiles();
  ~Tiles();
  Tiles(const Tiles&) = delete;
};

// What computes the products: "amx", "avx512_bf16" or "float32".
const char* bfloat16_unit();

}  // namespace zoo
