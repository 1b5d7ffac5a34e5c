#pragma once
// Activations to 8-bit integers, as llama.cpp's x86 kernels do it, for parity: the factor that
// makes q is not rounded, the scale that undoes it is (to half precision, for blocks of 32).

#include "inference/cpu/kernels.h"
#include "inference/cpu/lanes.h"
#include "inference/cpu/matrix_layout.h"

namespace weft::inference::cpu {
namespace {

// max |x| of 16 * vectors values, NaN if one of them isn't finite.
inline float largest_magnitude(const float* x, std::size_t vectors) {
  F32x16 largest = set1(0);
  F32x16 poison = set1(0);  // 0 * x is 0 for a finite x, else NaN
  for (std::size_t i = 0; i < vectors; ++i) {
    const F32x16 v = load(x + 16 * i);
    largest = max(largest, abs(v));
    poison = fma(v, set1(0), poison);
  }
  return max_lane(largest) + sum(poison);
}

inline bool is_finite(float value) { return value - value == 0; }

inline float round_half(float value) {
#if WEFT_SIMD_LEVEL > 0
  // Of a NaN the instruction keeps other bits than the function does.
  if (is_finite(value)) {
    const __m128i half = _mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT);
    return _mm_cvtss_f32(_mm_cvtph_ps(half));
  }
#endif
  return half_to_float(float_to_half(value));
}

inline void store_float(std::uint8_t* to, float value) {
  __builtin_memcpy(to, &value, sizeof value);
}

// The sums of those q whose index mod 4 is 0 or 1, and of the others.
struct HalfSums {
  int first;
  int second;
};

#if WEFT_SIMD_LEVEL > 0
// From 16-bit sums in the order first, second, first, ...
inline HalfSums half_sums(__m128i pairs) {
  const __m128i four = _mm_add_epi16(pairs, _mm_unpackhi_epi64(pairs, pairs));
  const auto sums = static_cast<std::uint32_t>(
      _mm_cvtsi128_si32(_mm_add_epi16(four, _mm_shuffle_epi32(four, 1))));
  return {static_cast<std::int16_t>(sums), static_cast<std::int16_t>(sums >> 16)};
}
inline __m128i pair_sums(const std::int8_t* q) {
  return _mm_maddubs_epi16(_mm_set1_epi8(1), _mm_loadu_si128(reinterpret_cast<const __m128i*>(q)));
}
inline HalfSums half_sums_16(const std::int8_t* q) { return half_sums(pair_sums(q)); }
inline HalfSums half_sums_32(const std::int8_t* q) {
  return half_sums(_mm_add_epi16(pair_sums(q), pair_sums(q + 16)));
}
#else
inline HalfSums half_sums(const std::int8_t* q, std::size_t n) {
  HalfSums sums = {0, 0};
  for (std::size_t i = 0; i < n; i += 4) {
    sums.first += q[i] + q[i + 1];
    sums.second += q[i + 2] + q[i + 3];
  }
  return sums;
}
inline HalfSums half_sums_16(const std::int8_t* q) { return half_sums(q, 16); }
inline HalfSums half_sums_32(const std::int8_t* q) { return half_sums(q, 32); }
#endif

inline void store_start(std::uint8_t* to, const HalfSums& sums, int zero) {
  const std::int32_t start = dot_start(sums.first, sums.second, zero);
  __builtin_memcpy(to, &start, sizeof start);
}

// A block whose values aren't all finite gets q = 0 and the scale NaN, so that its products are
// NaN; one that is too small for 127 / x to be finite gets q = 0 too, and its tiny scale.
void quantize_32(const float* x, std::size_t n, const ActivationSlot& out) {
  using Block = Block32;
  std::uint8_t* block = out.tile;
  for (std::size_t b = 0; b < n / 32; ++b, x += 32, block += Block::kBytes * out.slots) {
    const float largest = largest_magnitude(x, 2);
    const float scale = largest / 127.0F;
    const float factor = 127.0F / largest;
    auto* q = reinterpret_cast<std::int8_t*>(block) + 32 * out.slot;
    if (is_finite(factor)) {
      store_int8(q, mul(load(x), set1(factor)));
      store_int8(q + 16, mul(load(x + 16), set1(factor)));
    } else {
      __builtin_memset(q, 0, 32);
    }
    const auto part = [&](std::size_t at) { return block + at * out.slots + 4 * out.slot; };
    const HalfSums sums = half_sums_32(q);
    store_float(part(Block::kScale), round_half(scale));
    store_float(part(Block::kScaledSum),
                round_half(scale * static_cast<float>(sums.first + sums.second)));
    store_start(part(Block::kStart8), sums, 8);
    store_start(part(Block::kStart16), sums, 16);
    store_start(part(Block::kStart128), sums, 128);
  }
}

void quantize_256(const float* x, std::size_t n, const ActivationSlot& out) {
  using Block = Block256;
  std::uint8_t* block = out.tile;
  for (std::size_t b = 0; b < n / 256; ++b, x += 256, block += Block::kBytes * out.slots) {
    const float largest = largest_magnitude(x, 16);
    std::size_t at = 0;
    while (at < 255 && __builtin_fabsf(x[at]) != largest) ++at;  // the first of equals: its sign
    const float factor = -127.0F / x[at];
    const bool usable = is_finite(factor) && is_finite(largest);
    auto* q = reinterpret_cast<std::int8_t*>(block) + 256 * out.slot;
    if (usable) {
      for (std::size_t i = 0; i < 256; i += 16) store_int8(q + i, mul(load(x + i), set1(factor)));
    } else {
      __builtin_memset(q, 0, 256);
    }
    store_float(block + Block::kScale * out.slots + 4 * out.slot,
                usable ? 1.0F / factor : largest * 0.0F);
    std::uint8_t* starts = block + Block::kStarts * out.slots + 64 * out.slot;
    std::int16_t sums[8] = {};
    for (std::size_t s = 0; s < 16; ++s) {
      const HalfSums halves = half_sums_16(q + 16 * s);
      store_start(starts + 4 * s, halves, 32);
      sums[s / 2] = static_cast<std::int16_t>(sums[s / 2] + halves.first + halves.second);
    }
    __builtin_memcpy(block + Block::kSums * out.slots + 16 * out.slot, sums, sizeof sums);
  }
}

}  // namespace
}  // namespace weft::inference::cpu
