#include <immintrin.h>

#include <cstdint>

#include "inference/cpu/multiply_peak.h"

namespace weft::inference::cpu {
namespace {

volatile float sink;

}  // namespace

// Two groups of weight rows by four rows of activations: a load of activations serves both groups.
void multiply_sequence_avx512vnni() {
  constexpr int kGroups = 2;
  constexpr int kSlots = 4;
  alignas(64) std::int32_t activations[kSlots][8] = {{1, 2, 3}, {4}, {5}, {6}};
  float scales[kSlots] = {1, 2, 3, 4};
  __m512i weights[kGroups][8];
  for (auto& group : weights) {
    for (auto& vector : group) vector = _mm512_set1_epi8(7);
  }
  __m512 sums[kGroups][kSlots];
  for (auto& group : sums) {
    for (auto& sum : group) sum = _mm512_setzero_ps();
  }
  for (int block = 0; block < kSequenceBlocks / (kGroups * kSlots); ++block) {
    // Opaque to the compiler: every block loads its weights and activations anew.
    __asm__ volatile("" : : "r"(activations), "r"(scales), "r"(weights) : "memory");
    __m512i dots[kGroups][kSlots];
    for (auto& group : dots) {
      for (auto& dot : group) dot = _mm512_setzero_si512();
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
#pragma GCC unroll 4
      for (int t = 0; t < kSlots; ++t) {
        const __m512i a = _mm512_set1_epi32(activations[t][i]);
#pragma GCC unroll 2
        for (int g = 0; g < kGroups; ++g) {
          dots[g][t] = _mm512_dpbusd_epi32(dots[g][t], weights[g][i], a);
        }
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < kSlots; ++t) {
      const __m512 step = _mm512_mul_ps(_mm512_set1_ps(scales[t]), _mm512_set1_ps(0.5F));
#pragma GCC unroll 2
      for (int g = 0; g < kGroups; ++g) {
        sums[g][t] = _mm512_fmadd_ps(step, _mm512_cvtepi32_ps(dots[g][t]), sums[g][t]);
      }
    }
  }
  for (const auto& group : sums) {
    for (const auto& sum : group) sink = _mm512_cvtss_f32(sum);
  }
}

}  // namespace weft::inference::cpu
