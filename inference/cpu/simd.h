#pragma once
// Sixteen floats at once, the same on every level: one 512-bit register, two 256-bit ones, or an
// array. Every operation is an exact IEEE one and every sum is folded in the same order, so that
// the levels give the same bits.
// Included only by files that are compiled for one level each: all is in an unnamed namespace, so
// that the linker can't merge code of different levels.

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#else
#include "inference/tensor_type.h"
#endif

namespace weft::inference::cpu {
namespace {

#if defined(__AVX512F__)

struct F16 {
  __m512 v;

  static F16 zero() { return {_mm512_setzero_ps()}; }
  static F16 set1(float x) { return {_mm512_set1_ps(x)}; }
  static F16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static F16 load_half(const std::uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store_half(std::uint16_t* p) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                        _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
};

inline F16 operator+(F16 a, F16 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F16 operator-(F16 a, F16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F16 operator*(F16 a, F16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F16 operator/(F16 a, F16 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F16 fma(F16 a, F16 b, F16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F16 max(F16 a, F16 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F16 min(F16 a, F16 b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F16 add_exponent(F16 x, F16 n) {
  return {_mm512_castsi512_ps(_mm512_add_epi32(
      _mm512_castps_si512(x.v), _mm512_slli_epi32(_mm512_castps_si512(n.v), 23)))};
}
inline F16 zero_where_less(F16 value, F16 x, F16 limit) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.v, limit.v, _CMP_NLT_UQ), value.v)};
}
inline __m256 fold(F16 x, __m256 (*join)(__m256, __m256)) {
  const __m256 high =
      _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(x.v), 1));
  return join(_mm512_castps512_ps256(x.v), high);
}

#elif defined(__AVX2__)

struct F16 {
  __m256 a;  // lanes 0..7
  __m256 b;  // lanes 8..15

  static F16 zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static F16 set1(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static F16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static F16 load_half(const std::uint16_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
            _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
  }
  void store(float* p) const {
    _mm256_storeu_ps(p, a);
    _mm256_storeu_ps(p + 8, b);
  }
  void store_half(std::uint16_t* p) const {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                     _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8),
                     _mm256_cvtps_ph(b, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
  }
};

inline F16 operator+(F16 x, F16 y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
inline F16 operator-(F16 x, F16 y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
inline F16 operator*(F16 x, F16 y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
inline F16 operator/(F16 x, F16 y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
inline F16 fma(F16 x, F16 y, F16 z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
inline F16 max(F16 x, F16 y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
inline F16 min(F16 x, F16 y) { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
inline F16 add_exponent(F16 x, F16 n) {
  const auto one = [](__m256 value, __m256 count) {
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(value),
                                                _mm256_slli_epi32(_mm256_castps_si256(count), 23)));
  };
  return {one(x.a, n.a), one(x.b, n.b)};
}
inline F16 zero_where_less(F16 value, F16 x, F16 limit) {
  return {_mm256_and_ps(value.a, _mm256_cmp_ps(x.a, limit.a, _CMP_NLT_UQ)),
          _mm256_and_ps(value.b, _mm256_cmp_ps(x.b, limit.b, _CMP_NLT_UQ))};
}
inline __m256 fold(F16 x, __m256 (*join)(__m256, __m256)) { return join(x.a, x.b); }

#else

struct F16 {
  float v[16];

  static F16 zero() { return {}; }
  static F16 set1(float x) {
    F16 r;
    for (float& lane : r.v) lane = x;
    return r;
  }
  static F16 load(const float* p) {
    F16 r;
    std::memcpy(r.v, p, sizeof r.v);
    return r;
  }
  static F16 load_half(const std::uint16_t* p) {
    F16 r;
    for (std::size_t i = 0; i < 16; ++i) r.v[i] = half_to_float(p[i]);
    return r;
  }
  void store(float* p) const { std::memcpy(p, v, sizeof v); }
  void store_half(std::uint16_t* p) const {
    for (std::size_t i = 0; i < 16; ++i) p[i] = float_to_half(v[i]);
  }
};

template <typename Function>
inline F16 lanes(F16 a, F16 b, const Function& function) {
  for (std::size_t i = 0; i < 16; ++i) a.v[i] = function(a.v[i], b.v[i]);
  return a;
}
inline F16 operator+(F16 a, F16 b) {
  return lanes(a, b, [](float x, float y) { return x + y; });
}
inline F16 operator-(F16 a, F16 b) {
  return lanes(a, b, [](float x, float y) { return x - y; });
}
inline F16 operator*(F16 a, F16 b) {
  return lanes(a, b, [](float x, float y) { return x * y; });
}
inline F16 operator/(F16 a, F16 b) {
  return lanes(a, b, [](float x, float y) { return x / y; });
}
inline F16 fma(F16 a, F16 b, F16 c) {
  for (std::size_t i = 0; i < 16; ++i) c.v[i] = std::fma(a.v[i], b.v[i], c.v[i]);
  return c;
}
// As the x86 instructions: where one is NaN, the second operand.
inline float max(float x, float y) { return x > y ? x : y; }
inline F16 max(F16 a, F16 b) {
  return lanes(a, b, [](float x, float y) { return max(x, y); });
}
inline F16 min(F16 a, F16 b) {
  return lanes(a, b, [](float x, float y) { return x < y ? x : y; });
}
inline F16 add_exponent(F16 x, F16 n) {
  return lanes(x, n, [](float value, float count) {
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) +
                                (std::bit_cast<std::uint32_t>(count) << 23));
  });
}
inline F16 zero_where_less(F16 value, F16 x, F16 limit) {
  for (std::size_t i = 0; i < 16; ++i) {
    if (x.v[i] < limit.v[i]) value.v[i] = 0;
  }
  return value;
}

#endif

// Sums fold the upper half of the lanes onto the lower one, four times.
#if defined(__AVX2__)
inline float reduce_add(F16 x) {
  const __m256 eight = fold(x, [](__m256 p, __m256 q) { return _mm256_add_ps(p, q); });
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_shuffle_ps(four, four, 1)));
}
inline float reduce_max(F16 x) {
  const __m256 eight = fold(x, [](__m256 p, __m256 q) { return _mm256_max_ps(p, q); });
  __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  four = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(four, _mm_shuffle_ps(four, four, 1)));
}
#else
inline float reduce_add(F16 x) {
  for (std::size_t half = 8; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) x.v[i] = x.v[i] + x.v[i + half];
  }
  return x.v[0];
}
inline float reduce_max(F16 x) {
  for (std::size_t half = 8; half > 0; half /= 2) {
    for (std::size_t i = 0; i < half; ++i) x.v[i] = max(x.v[i], x.v[i + half]);
  }
  return x.v[0];
}
#endif

/// e^x to about 1.5 units in the last place; 0 below -87.3 (no subnormals), e^88 above 88.
/// x = n ln 2 + r, |r| <= ln 2 / 2; the polynomial and the split of ln 2 are those of Cephes' expf.
inline F16 exp(F16 x) {
  const F16 limit = F16::set1(-87.3F);
  const F16 shift = F16::set1(12582912.0F);  // 1.5 * 2^23: adding it rounds to an integer
  const F16 y = max(limit, min(F16::set1(88.0F), x));
  const F16 shifted = fma(y, F16::set1(1.44269504088896341F), shift);
  const F16 n = shifted - shift;
  F16 r = fma(n, F16::set1(-0.693359375F), y);
  r = fma(n, F16::set1(2.12194440e-4F), r);
  F16 p = F16::set1(1.9875691500e-4F);
  p = fma(p, r, F16::set1(1.3981999507e-3F));
  p = fma(p, r, F16::set1(8.3334519073e-3F));
  p = fma(p, r, F16::set1(4.1665795894e-2F));
  p = fma(p, r, F16::set1(1.6666665459e-1F));
  p = fma(p, r, F16::set1(5.0000001201e-1F));
  p = fma(p, r * r, r + F16::set1(1));
  // The integer n stands in the low bits of `shifted`; added to p's exponent it scales by 2^n.
  return zero_where_less(add_exponent(p, shifted), x, limit);
}

}  // namespace
}  // namespace weft::inference::cpu
