#pragma once
// The multiply sequence of an AVX2 block product with nothing around it: the instruction bound.

namespace bench {

constexpr double kSequenceMacs = 1e6 * 256;

/// A million blocks of 8 rows by 32 columns with `steps` multiplies each (8: weights of up to 6
/// bits, 16: two planes), everything in L1.
void multiply_sequence_avx2(int steps);

}  // namespace bench
