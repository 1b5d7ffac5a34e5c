#pragma once
// AVX-512 intrinsics on a CPU without them: SIMDe's, and those that its release 0.7.4 lacks, each
// from its two AVX2 halves.

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/f16c.h>
#include <simde/x86/fma.h>

#if defined(__AVX512F__)
#error "this file is for building without AVX-512"
#endif

namespace weft::fakes {

inline simde__m256i half(simde__m512i a, int upper) {
  return simde__m512i_to_private(a).m256i[upper];
}
inline simde__m512i join(simde__m256i lower, simde__m256i upper) {
  simde__m512i_private out;
  out.m256i[0] = lower;
  out.m256i[1] = upper;
  return simde__m512i_from_private(out);
}
inline simde__m256 half(simde__m512 a, int upper) { return simde__m512_to_private(a).m256[upper]; }
inline simde__m512 join(simde__m256 lower, simde__m256 upper) {
  simde__m512_private out;
  out.m256[0] = lower;
  out.m256[1] = upper;
  return simde__m512_from_private(out);
}

inline simde__m512 cvtph_ps(simde__m256i a) {
  return join(_mm256_cvtph_ps(_mm256_castsi256_si128(a)),
              _mm256_cvtph_ps(_mm256_extracti128_si256(a, 1)));
}
inline simde__m256i cvtps_ph(simde__m512 a) {
  return _mm256_set_m128i(_mm256_cvtps_ph(half(a, 1), _MM_FROUND_TO_NEAREST_INT),
                          _mm256_cvtps_ph(half(a, 0), _MM_FROUND_TO_NEAREST_INT));
}
inline simde__m512 cvtepi32_ps(simde__m512i a) {
  return join(_mm256_cvtepi32_ps(half(a, 0)), _mm256_cvtepi32_ps(half(a, 1)));
}
inline simde__m512i cvtps_epi32(simde__m512 a) {
  return join(_mm256_cvtps_epi32(half(a, 0)), _mm256_cvtps_epi32(half(a, 1)));
}
inline simde__m512i cvtepi8_epi32(__m128i a) {
  return join(_mm256_cvtepi8_epi32(a), _mm256_cvtepi8_epi32(_mm_srli_si128(a, 8)));
}
inline simde__m512i cvtepu16_epi32(simde__m256i a) {
  return join(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(a)),
              _mm256_cvtepu16_epi32(_mm256_extracti128_si256(a, 1)));
}

inline simde__m512i srai_epi32(simde__m512i a, int bits) {
  return join(_mm256_srai_epi32(half(a, 0), bits), _mm256_srai_epi32(half(a, 1), bits));
}

}  // namespace weft::fakes

#undef _mm512_madd_epi16  // SIMDe's alias takes the arguments of the masked form
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)
#undef _mm512_cvtph_ps
#undef _mm512_cvtps_ph
#undef _mm512_cvtepi32_ps
#undef _mm512_cvtps_epi32
#undef _mm512_cvtepi8_epi32
#undef _mm512_cvtepu16_epi32
#define _mm512_cvtph_ps(a) weft::fakes::cvtph_ps(a)
#define _mm512_cvtps_ph(a, rounding) weft::fakes::cvtps_ph(a)
#define _mm512_cvtepi32_ps(a) weft::fakes::cvtepi32_ps(a)
#define _mm512_cvtps_epi32(a) weft::fakes::cvtps_epi32(a)
#define _mm512_cvtepi8_epi32(a) weft::fakes::cvtepi8_epi32(a)
#define _mm512_cvtepu16_epi32(a) weft::fakes::cvtepu16_epi32(a)
#undef _mm512_srai_epi32
#define _mm512_srai_epi32(a, bits) weft::fakes::srai_epi32(a, bits)
