#include <immintrin.h>

#include <cstdint>

#include "tests/bench/multiply_peak.h"

namespace bench {
namespace {

volatile float sink;

template <int kPlanes>
void sequence() {
  alignas(64) std::int32_t activations[4][8] = {{1, 2, 3}, {4}, {5}, {6}};
  float scales[4] = {1, 2, 3, 4};
  __m256i w[8];
  for (auto& vector : w) vector = _mm256_set1_epi8(7);
  __m256 sums[4] = {};
  for (int block = 0; block < 1000000 / 4; ++block) {
    // Opaque to the compiler: every block loads its activations anew.
    __asm__ volatile("" : : "r"(activations), "r"(scales) : "memory");
#pragma GCC unroll 4
    for (int t = 0; t < 4; ++t) {
      __m256i whole = _mm256_setzero_si256();
#pragma GCC unroll 2
      for (int plane = 0; plane < kPlanes; ++plane) {
        __m256i sum = _mm256_setzero_si256();
#pragma GCC unroll 8
        for (int i = 0; i < 8; ++i) {
          const __m256i a = _mm256_set1_epi32(activations[t][i]);
          sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(w[i], a));
        }
        __asm__ volatile("" : "+x"(w[0]));
        whole = _mm256_add_epi32(whole, _mm256_madd_epi16(sum, _mm256_set1_epi16(1)));
      }
      sums[t] = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_set1_ps(scales[t]), sums[3 - t]),
                                _mm256_cvtepi32_ps(whole), sums[t]);
    }
  }
  for (const auto& sum : sums) sink = _mm256_cvtss_f32(sum);
}

}  // namespace

void multiply_sequence_avx2(int steps) { steps == 8 ? sequence<1>() : sequence<2>(); }

}  // namespace bench
