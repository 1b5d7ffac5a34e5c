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

// Two groups of weight rows by three rows of activations: more sums don't fit the registers.
template <WeightBits kBits>
void sequence() {
  constexpr int kGroups = 2;
  constexpr int kSlots = 3;
  alignas(64) std::int32_t activations[kSlots][8] = {{1, 2, 3}, {4}, {5}};
  float scales[kSlots] = {1, 2, 3};
  __m256i weights[kGroups][8];
  for (auto& group : weights) {
    for (auto& vector : group) vector = _mm256_set1_epi8(7);
  }
  __m256 sums[kGroups][kSlots] = {};
  for (int block = 0; block < kSequenceBlocks / (kGroups * kSlots); ++block) {
    // Opaque to the compiler: every block loads its weights and activations anew.
    __asm__ volatile("" : : "r"(activations), "r"(scales), "r"(weights) : "memory");
    __m256i dots[kGroups][kSlots] = {};
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
#pragma GCC unroll 4
      for (int t = 0; t < kSlots; ++t) {
        const __m256i a = _mm256_set1_epi32(activations[t][i]);
#pragma GCC unroll 2
        for (int g = 0; g < kGroups; ++g) {
          dots[g][t] = add_products<kBits>(dots[g][t], weights[g][i], a);
        }
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < kSlots; ++t) {
      const __m256 step = _mm256_mul_ps(_mm256_set1_ps(scales[t]), _mm256_set1_ps(0.5F));
#pragma GCC unroll 2
      for (int g = 0; g < kGroups; ++g) {
        const __m256i whole = kBits == WeightBits::k6
                                  ? _mm256_madd_epi16(dots[g][t], _mm256_set1_epi16(1))
                                  : dots[g][t];
        sums[g][t] = _mm256_fmadd_ps(step, _mm256_cvtepi32_ps(whole), sums[g][t]);
      }
    }
  }
  for (const auto& group : sums) {
    for (const auto& sum : group) sink = _mm256_cvtss_f32(sum);
  }
}

}  // namespace

void multiply_sequence_avx2(WeightBits bits) {
  if (bits == WeightBits::k6) return sequence<WeightBits::k6>();
  if (bits == WeightBits::k7) return sequence<WeightBits::k7>();
  sequence<WeightBits::k8>();
}

}  // namespace weft::inference::cpu
