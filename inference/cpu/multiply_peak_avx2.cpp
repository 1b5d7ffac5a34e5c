#include <immintrin.h>

#include <cstdint>

#include "inference/cpu/multiply_peak.h"

namespace weft::inference::cpu {
namespace {

volatile float sink;

template <WeightBits kBits>
__m256i add_products(__m256i sum, __m256i w, __m256i a) {
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (kBits == WeightBits::k6) {
    sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, a));
  } else if constexpr (kBits == WeightBits::k7) {
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, a), ones));
  } else {
    const __m256i products = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(products, ones));
  }
  __asm__("" : "+x"(sum));  // or the compiler makes trees of the sums
  return sum;
}

// Four rows of activations at a time: more sums don't fit the registers.
template <WeightBits kBits>
void sequence() {
  constexpr int kSlots = 4;
  alignas(64) std::int32_t activations[kSlots][8] = {{1, 2, 3}, {4}, {5}, {6}};
  float scales[kSlots] = {1, 2, 3, 4};
  __m256i weights[8];
  for (auto& vector : weights) vector = _mm256_set1_epi8(7);
  __m256 sums[kSlots] = {};
  for (int block = 0; block < kSequenceBlocks / kSlots; ++block) {
    // Opaque to the compiler: every block loads its weights and activations anew.
    __asm__ volatile("" : : "r"(activations), "r"(scales), "r"(weights) : "memory");
    __m256i dots[kSlots] = {};
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
#pragma GCC unroll 4
      for (int t = 0; t < kSlots; ++t) {
        dots[t] = add_products<kBits>(dots[t], weights[i], _mm256_set1_epi32(activations[t][i]));
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < kSlots; ++t) {
      const __m256i whole =
          kBits == WeightBits::k6 ? _mm256_madd_epi16(dots[t], _mm256_set1_epi16(1)) : dots[t];
      sums[t] = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_set1_ps(scales[t]), _mm256_set1_ps(0.5F)),
                                _mm256_cvtepi32_ps(whole), sums[t]);
    }
  }
  for (const auto& sum : sums) sink = _mm256_cvtss_f32(sum);
}

}  // namespace

void multiply_sequence_avx2(WeightBits bits) {
  if (bits == WeightBits::k6) return sequence<WeightBits::k6>();
  if (bits == WeightBits::k7) return sequence<WeightBits::k7>();
  sequence<WeightBits::k8>();
}

}  // namespace weft::inference::cpu
