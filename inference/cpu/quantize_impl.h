#pragma once
// Activations to 8-bit integers, as llama.cpp's x86 kernels do it, for parity: the factor that
// makes q is not rounded, the scale that undoes it is (to half precision, for blocks of 32).

#include "inference/cpu/kernels.h"
#include "inference/cpu/simd.h"

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

inline float round_half(float value) { return half_to_float(float_to_half(value)); }

// The sums of n q (a multiple of 4) by their place in a dword: what the kernels start from, so that
// they can use weights with an offset as unsigned numbers. Returns the whole sum.
inline int store_offsets(const std::int8_t* q, std::size_t n, std::int16_t* offsets) {
  int first = 0;
  int second = 0;
  for (std::size_t i = 0; i < n; i += 4) {
    first += q[i] + q[i + 1];
    second += q[i + 2] + q[i + 3];
  }
  offsets[0] = static_cast<std::int16_t>(-first);
  offsets[1] = static_cast<std::int16_t>(-second);
  return first + second;
}

// A block whose values aren't all finite becomes NaN * 0, so that its products are NaN; one too
// small for 127 / x to be finite becomes 0.
inline bool usable_factor(float factor) {
  return factor - factor == 0;  // finite
}

inline void store_zeros(std::int8_t* q, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) q[i] = 0;
}

void quantize_32(const float* x, std::size_t n, const QuantizedRow& out) {
  for (std::size_t b = 0; b < n / 32; ++b, x += 32) {
    const float largest = largest_magnitude(x, 2);
    const float scale = largest / 127.0F;
    const float factor = 127.0F / largest;
    std::int8_t* q = out.values + 32 * b;
    if (usable_factor(factor)) {
      store_int8(q, mul(load(x), set1(factor)));
      store_int8(q + 16, mul(load(x + 16), set1(factor)));
    } else {
      store_zeros(q, 32);
    }
    const int sum = store_offsets(q, 32, out.offsets + 2 * b);
    out.scales[b] = round_half(scale);
    out.scaled_sums[b] = round_half(scale * static_cast<float>(sum));
  }
}

void quantize_256(const float* x, std::size_t n, const QuantizedRow& out) {
  for (std::size_t b = 0; b < n / 256; ++b, x += 256) {
    const float largest = largest_magnitude(x, 16);
    float signed_largest = largest;
    for (std::size_t i = 0; i < 256; ++i) {
      if (__builtin_fabsf(x[i]) == largest) {
        signed_largest = x[i];
        break;
      }
    }
    const float factor = -127.0F / signed_largest;
    std::int8_t* q = out.values + 256 * b;
    if (usable_factor(factor)) {
      for (std::size_t i = 0; i < 256; i += 16) store_int8(q + i, mul(load(x + i), set1(factor)));
      out.scales[b] = 1 / factor;
    } else {
      store_zeros(q, 256);
      out.scales[b] = largest * 0;
    }
    for (std::size_t s = 0; s < 8; ++s) {
      std::int16_t* offsets = out.offsets + 32 * b + 4 * s;
      const int first = store_offsets(q + 32 * s, 16, offsets);
      const int second = store_offsets(q + 32 * s + 16, 16, offsets + 2);
      out.sums[8 * b + s] = static_cast<std::int16_t>(first + second);
    }
  }
}

void round_to_half(const float* x, std::size_t n, float* out) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    std::uint16_t halves[16];
    store_half(halves, load(x + i));
    store(out + i, load_half(halves));
  }
  for (; i < n; ++i) out[i] = round_half(x[i]);
}

}  // namespace
}  // namespace weft::inference::cpu
