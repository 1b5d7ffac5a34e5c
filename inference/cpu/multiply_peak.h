#pragma once
// The multiply sequence of a block product with nothing around it, everything in the first-level
// cache: the instruction bound of a level.

namespace weft::inference::cpu {

/// Blocks of 32 columns by as many weight rows as a vector has dwords, by one row of activations.
constexpr int kSequenceBlocks = 1000000;

/// AVX2: 8 weight rows. `steps`: multiplies a block, 8 for weights of up to 6 bits, 16 for two
/// planes.
void multiply_sequence_avx2(int steps);
/// AVX-512 VNNI: 16 weight rows.
void multiply_sequence_avx512vnni();

}  // namespace weft::inference::cpu
