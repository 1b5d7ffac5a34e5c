#include <immintrin.h>

#include <cstdint>

#include "inference/cpu/multiply_peak.h"

namespace weft::inference::cpu {
namespace {

volatile float sink;

// Four rows of activations at a time: more sums don't fit the registers.
template <int kPlanes>
void sequence() {
  constexpr int kSlots = 4;
  alignas(64) std::int32_t activations[kSlots][8] = {{1, 2, 3}, {4}, {5}, {6}};
  float scales[kSlots] = {1, 2, 3, 4};
  __m256i weights[8 * kPlanes];
  for (auto& vector : weights) vector = _mm256_set1_epi8(7);
  __m256 sums[kSlots] = {};
  for (int block = 0; block < kSequenceBlocks / kSlots; ++block) {
    // Opaque to the compiler: every block loads its weights and activations anew.
    __asm__ volatile("" : : "r"(activations), "r"(scales), "r"(weights) : "memory");
    __m256i whole[kSlots] = {};
#pragma GCC unroll 2
    for (int plane = 0; plane < kPlanes; ++plane) {
      __m256i dots[kSlots] = {};
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        const __m256i w = weights[8 * plane + i];
#pragma GCC unroll 4
        for (int t = 0; t < kSlots; ++t) {
          const __m256i a = _mm256_set1_epi32(activations[t][i]);
          dots[t] = _mm256_add_epi16(dots[t], _mm256_maddubs_epi16(w, a));
          __asm__("" : "+x"(dots[t]));  // or the compiler makes trees of the sums
        }
      }
#pragma GCC unroll 4
      for (int t = 0; t < kSlots; ++t) {
        const __m256i wide = _mm256_madd_epi16(dots[t], _mm256_set1_epi16(1));
        whole[t] = plane == 0 ? wide : _mm256_add_epi32(whole[t], wide);
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < kSlots; ++t) {
      sums[t] = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_set1_ps(scales[t]), _mm256_set1_ps(0.5F)),
                                _mm256_cvtepi32_ps(whole[t]), sums[t]);
    }
  }
  for (const auto& sum : sums) sink = _mm256_cvtss_f32(sum);
}

}  // namespace

void multiply_sequence_avx2(int steps) { steps == 8 ? sequence<1>() : sequence<2>(); }

}  // namespace weft::inference::cpu
