#pragma once
// The multiply sequence of a block product with nothing around it, everything in the first-level
// cache: the instruction bound of a level.

namespace weft::inference::cpu {

/// Blocks of 32 columns by as many weight rows as a vector has dwords, by one row of activations:
/// whole tiles of either level.
constexpr int kSequenceBlocks = 960000;

/// How wide weights are, which matters to AVX2: up to 6 bits are summed in 16, 7 are widened each
/// step, 8 are signed besides (see Sum in lanes.h).
enum class WeightBits : unsigned char { k6, k7, k8 };

/// AVX2: 8 weight rows.
void multiply_sequence_avx2(WeightBits bits);
/// AVX-512 VNNI: 16 weight rows.
void multiply_sequence_avx512vnni();

}  // namespace weft::inference::cpu
