#pragma once
// Sixteen floats as one value, for the kernels of each CPU level. A translation unit chooses the
// level by defining WEFT_SIMD_LEVEL before it includes this: 0 scalar, 1 AVX2 + FMA + F16C, 2
// AVX-512 (F, BW, VL, VNNI). Every operation gives the same bits on all levels: each lane is
// rounded as IEEE says, fma is fused everywhere, and horizontal reductions have one order. Compile
// with -ffp-contract=off, or the compiler fuses products on its own.
//
// All of it has internal linkage: an inline function that two levels shared would be emitted once,
// perhaps with instructions that the other level's CPU lacks. For the same reason no std templates.

#include <cstddef>
#include <cstdint>

#include "inference/tensor_type.h"

#ifndef WEFT_SIMD_LEVEL
#error "define WEFT_SIMD_LEVEL as 0, 1 or 2 first"
#endif
#if WEFT_SIMD_LEVEL == 2 && defined(WEFT_AVX512_HEADER)
#include WEFT_AVX512_HEADER  // a test's emulation of the instructions
#elif WEFT_SIMD_LEVEL > 0
#include <immintrin.h>
#endif

namespace weft::inference::cpu {
namespace {

#if WEFT_SIMD_LEVEL == 0

struct F32x16 {
  float lane[16];
};

// One lane-wise operation; `body` sees the lane's number as i.
#define WEFT_LANES(body)         \
  F32x16 out;                    \
  for (int i = 0; i < 16; ++i) { \
    out.lane[i] = (body);        \
  }                              \
  return out

inline F32x16 set1(float value) { WEFT_LANES(value); }
inline F32x16 load(const float* from) { WEFT_LANES(from[i]); }
inline F32x16 load_half(const std::uint16_t* from) { WEFT_LANES(half_to_float(from[i])); }
inline F32x16 load_int8(const std::int8_t* from) { WEFT_LANES(static_cast<float>(from[i])); }
inline F32x16 add(const F32x16& a, const F32x16& b) { WEFT_LANES(a.lane[i] + b.lane[i]); }
inline F32x16 sub(const F32x16& a, const F32x16& b) { WEFT_LANES(a.lane[i] - b.lane[i]); }
inline F32x16 mul(const F32x16& a, const F32x16& b) { WEFT_LANES(a.lane[i] * b.lane[i]); }
inline F32x16 div(const F32x16& a, const F32x16& b) { WEFT_LANES(a.lane[i] / b.lane[i]); }
inline F32x16 fma(const F32x16& a, const F32x16& b, const F32x16& c) {
  WEFT_LANES(__builtin_fmaf(a.lane[i], b.lane[i], c.lane[i]));
}
inline F32x16 max(const F32x16& a, const F32x16& b) {
  WEFT_LANES(a.lane[i] > b.lane[i] ? a.lane[i] : b.lane[i]);
}
inline F32x16 min(const F32x16& a, const F32x16& b) {
  WEFT_LANES(a.lane[i] < b.lane[i] ? a.lane[i] : b.lane[i]);
}
inline F32x16 abs(const F32x16& a) { WEFT_LANES(__builtin_fabsf(a.lane[i])); }
inline F32x16 select_less(const F32x16& a, const F32x16& b, const F32x16& yes, const F32x16& no) {
  WEFT_LANES(a.lane[i] < b.lane[i] ? yes.lane[i] : no.lane[i]);
}
inline F32x16 round_even(const F32x16& a) { WEFT_LANES(__builtin_nearbyintf(a.lane[i])); }
inline F32x16 scale_by_power(const F32x16& a, const F32x16& n) {
  WEFT_LANES(a.lane[i] *
             __builtin_bit_cast(float, (static_cast<std::int32_t>(n.lane[i]) + 127) << 23));
}
#undef WEFT_LANES

inline void store(float* to, const F32x16& a) {
  for (int i = 0; i < 16; ++i) to[i] = a.lane[i];
}
inline void store_half(std::uint16_t* to, const F32x16& a) {
  for (int i = 0; i < 16; ++i) to[i] = float_to_half(a.lane[i]);
}
inline void store_int8(std::int8_t* to, const F32x16& a) {
  for (int i = 0; i < 16; ++i) to[i] = static_cast<std::int8_t>(__builtin_nearbyintf(a.lane[i]));
}
inline float sum(const F32x16& a) {
  float s[8];
  for (int i = 0; i < 8; ++i) s[i] = a.lane[i] + a.lane[i + 8];
  for (int i = 0; i < 4; ++i) s[i] = s[i] + s[i + 4];
  for (int i = 0; i < 2; ++i) s[i] = s[i] + s[i + 2];
  return s[0] + s[1];
}
inline float max_lane(const F32x16& a) {
  float s[8];
  for (int i = 0; i < 8; ++i) s[i] = a.lane[i] > a.lane[i + 8] ? a.lane[i] : a.lane[i + 8];
  for (int i = 0; i < 4; ++i) s[i] = s[i] > s[i + 4] ? s[i] : s[i + 4];
  for (int i = 0; i < 2; ++i) s[i] = s[i] > s[i + 2] ? s[i] : s[i + 2];
  return s[0] > s[1] ? s[0] : s[1];
}

#else

// The order of both reductions: lane i with i + 8, then i + 4, i + 2, i + 1.
inline float sum_of_8(__m256 a) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float max_of_8(__m256 a) {
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

#if WEFT_SIMD_LEVEL == 1

struct F32x16 {
  __m256 lo;
  __m256 hi;
};

inline F32x16 set1(float value) { return {_mm256_set1_ps(value), _mm256_set1_ps(value)}; }
inline F32x16 load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
inline F32x16 load_half(const std::uint16_t* from) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))),
          _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 8)))};
}
inline __m256 load_8_int8(const std::int8_t* from) {
  return _mm256_cvtepi32_ps(
      _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
}
inline F32x16 load_int8(const std::int8_t* from) {
  return {load_8_int8(from), load_8_int8(from + 8)};
}
inline F32x16 add(F32x16 a, F32x16 b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
inline F32x16 sub(F32x16 a, F32x16 b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
inline F32x16 mul(F32x16 a, F32x16 b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
inline F32x16 div(F32x16 a, F32x16 b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline F32x16 max(F32x16 a, F32x16 b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
inline F32x16 min(F32x16 a, F32x16 b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
inline F32x16 abs(F32x16 a) {
  const __m256 sign = _mm256_set1_ps(-0.0F);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
inline F32x16 select_less(F32x16 a, F32x16 b, F32x16 yes, F32x16 no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.hi, yes.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ))};
}
inline F32x16 round_even(F32x16 a) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  return {_mm256_round_ps(a.lo, kNearest), _mm256_round_ps(a.hi, kNearest)};
}
inline __m256 power_of_two(__m256 n) {
  return _mm256_castsi256_ps(
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvttps_epi32(n), _mm256_set1_epi32(127)), 23));
}
inline F32x16 scale_by_power(F32x16 a, F32x16 n) {
  return {_mm256_mul_ps(a.lo, power_of_two(n.lo)), _mm256_mul_ps(a.hi, power_of_two(n.hi))};
}
inline void store(float* to, F32x16 a) {
  _mm256_storeu_ps(to, a.lo);
  _mm256_storeu_ps(to + 8, a.hi);
}
inline void store_half(std::uint16_t* to, F32x16 a) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph(a.lo, kNearest));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 8), _mm256_cvtps_ph(a.hi, kNearest));
}
inline void store_int8(std::int8_t* to, F32x16 a) {
  // packs works within 128-bit halves: the permutation puts the four quarters back in order.
  const __m256i words = _mm256_permute4x64_epi64(
      _mm256_packs_epi32(_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)), 0xD8);
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(to),
      _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
inline float sum(F32x16 a) { return sum_of_8(_mm256_add_ps(a.lo, a.hi)); }
inline float max_lane(F32x16 a) { return max_of_8(_mm256_max_ps(a.lo, a.hi)); }

#else

struct F32x16 {
  __m512 all;
};

inline F32x16 set1(float value) { return {_mm512_set1_ps(value)}; }
inline F32x16 load(const float* from) { return {_mm512_loadu_ps(from)}; }
inline F32x16 load_half(const std::uint16_t* from) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)))};
}
inline F32x16 load_int8(const std::int8_t* from) {
  return {_mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))))};
}
inline F32x16 add(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.all, b.all)}; }
inline F32x16 sub(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.all, b.all)}; }
inline F32x16 mul(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.all, b.all)}; }
inline F32x16 div(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.all, b.all)}; }
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.all, b.all, c.all)}; }
inline F32x16 max(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.all, b.all)}; }
inline F32x16 min(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.all, b.all)}; }
inline F32x16 abs(F32x16 a) { return {_mm512_abs_ps(a.all)}; }
inline F32x16 select_less(F32x16 a, F32x16 b, F32x16 yes, F32x16 no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.all, b.all, _CMP_LT_OQ), no.all, yes.all)};
}
inline F32x16 round_even(F32x16 a) {
  return {_mm512_roundscale_ps(a.all, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
inline F32x16 scale_by_power(F32x16 a, F32x16 n) {
  const __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n.all), _mm512_set1_epi32(127));
  return {_mm512_mul_ps(a.all, _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23)))};
}
inline void store(float* to, F32x16 a) { _mm512_storeu_ps(to, a.all); }
inline void store_half(std::uint16_t* to, F32x16 a) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm512_cvtps_ph(a.all, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
inline void store_int8(std::int8_t* to, F32x16 a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(a.all)));
}
inline __m256 half_of(F32x16 a, bool upper) {
  const __m512d bits = _mm512_castps_pd(a.all);
  return _mm256_castpd_ps(upper ? _mm512_extractf64x4_pd(bits, 1)
                                : _mm512_extractf64x4_pd(bits, 0));
}
inline float sum(F32x16 a) { return sum_of_8(_mm256_add_ps(half_of(a, false), half_of(a, true))); }
inline float max_lane(F32x16 a) {
  return max_of_8(_mm256_max_ps(half_of(a, false), half_of(a, true)));
}

#endif
#endif

// What the names above mean, where they don't say it:
//   max(a, b), min(a, b)    b where either is NaN, and for two zeros: x86's own rule
//   fma(a, b, c)            a * b + c, rounded once
//   select_less(a, b, y, n) y where a < b, else n (also where either is NaN)
//   round_even(a)           to an integer as float, halves to even
//   scale_by_power(a, n)    a * 2^n for integers n in [-126, 127]
//   store_int8              rounds halves to even; the values are in [-128, 127]
//   load_half, store_half   IEEE half precision, rounded to nearest even
//   sum, max_lane           over the lanes: i with i + 8, then i + 4, i + 2, i + 1

/// The first `count` (0..16) lanes from memory, 0 in the others.
inline F32x16 load_part(const float* from, std::size_t count) {
  float lanes[16] = {};
  for (std::size_t i = 0; i < count; ++i) lanes[i] = from[i];
  return load(lanes);
}
/// Stores the first `count` (0..16) lanes.
inline void store_part(float* to, const F32x16& a, std::size_t count) {
  float lanes[16];
  store(lanes, a);
  for (std::size_t i = 0; i < count; ++i) to[i] = lanes[i];
}

}  // namespace
}  // namespace weft::inference::cpu
