#pragma once
// The AVX-512 instructions of the vector kernels, by SIMDe, on a CPU with AVX2, FMA and F16C. Those
// that SIMDe 0.7 lacks are made of 256-bit ones.

#include <immintrin.h>

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

namespace weft::inference::cpu {
namespace {

inline simde__m512 cvtph_ps_512(__m256i halves) {
  simde__m512_private out;
  out.m256[0] = _mm256_cvtph_ps(_mm256_castsi256_si128(halves));
  out.m256[1] = _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1));
  return simde__m512_from_private(out);
}
inline __m256i cvtps_ph_512(simde__m512 values) {
  const simde__m512_private in = simde__m512_to_private(values);
  return _mm256_set_m128i(_mm256_cvtps_ph(in.m256[1], _MM_FROUND_TO_NEAREST_INT),
                          _mm256_cvtps_ph(in.m256[0], _MM_FROUND_TO_NEAREST_INT));
}
inline simde__m512i cvtps_epi32_512(simde__m512 values) {
  const simde__m512_private in = simde__m512_to_private(values);
  simde__m512i_private out;
  for (int i = 0; i < 2; ++i) out.m256i[i] = _mm256_cvtps_epi32(in.m256[i]);
  return simde__m512i_from_private(out);
}

}  // namespace
}  // namespace weft::inference::cpu

#undef _mm512_cvtph_ps
#undef _mm512_cvtps_ph
#undef _mm512_cvtps_epi32
#define _mm512_cvtph_ps(halves) ::weft::inference::cpu::cvtph_ps_512(halves)
#define _mm512_cvtps_ph(values, rounding) ::weft::inference::cpu::cvtps_ph_512(values)
#define _mm512_cvtps_epi32(values) ::weft::inference::cpu::cvtps_epi32_512(values)
