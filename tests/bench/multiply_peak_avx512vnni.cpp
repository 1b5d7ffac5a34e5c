#include <immintrin.h>

#include <cstdint>

#include "tests/bench/multiply_peak.h"

namespace bench {
namespace {

volatile float sink;

}  // namespace

void multiply_sequence_avx512vnni() {
  constexpr int kSlots = 8;
  alignas(64) std::int32_t activations[kSlots][8] = {{1, 2, 3}, {4}, {5}, {6}, {7}, {8}};
  float scales[kSlots] = {1, 2, 3, 4, 5, 6, 7, 8};
  __m512i w[8];
  for (auto& vector : w) vector = _mm512_set1_epi8(7);
  const __m512 d = _mm512_set1_ps(0.5F);
  __m512 sums[kSlots];
  for (auto& sum : sums) sum = _mm512_setzero_ps();
  for (int block = 0; block < 1000000 / kSlots; ++block) {
    // Opaque to the compiler: every block loads its activations anew.
    __asm__ volatile("" : : "r"(activations), "r"(scales) : "memory");
#pragma GCC unroll 8
    for (int t = 0; t < kSlots; ++t) {
      __m512i sum = _mm512_setzero_si512();
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) {
        sum = _mm512_dpbusd_epi32(sum, w[i], _mm512_set1_epi32(activations[t][i]));
      }
      sums[t] = _mm512_fmadd_ps(_mm512_mul_ps(d, _mm512_set1_ps(scales[t])),
                                _mm512_cvtepi32_ps(sum), sums[t]);
    }
  }
  for (const auto& sum : sums) sink = _mm512_cvtss_f32(sum);
}

}  // namespace bench
