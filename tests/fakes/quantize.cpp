#include "tests/fakes/quantize.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "tests/fakes/gguf_writer.h"

namespace weft::fakes {
namespace {

using inference::float_to_half;
using inference::half_to_float;
using inference::TensorType;

using Values = std::span<const float>;

struct Range {
  float min;
  float max;
};

Range range(Values values) {
  const auto [min, max] = std::ranges::minmax_element(values);
  return {*min, *max};
}

float largest(Values values) {
  float magnitude = 0;
  for (const float value : values) magnitude = std::max(magnitude, std::abs(value));
  return magnitude;
}

// x / step to the nearest of low..high; a step of zero means that all values are the same.
int nearest(float x, float step, int low, int high) {
  if (step == 0) return std::clamp(0, low, high);
  return static_cast<int>(
      std::clamp(std::nearbyint(x / step), static_cast<float>(low), static_cast<float>(high)));
}

float through_half(float value) { return half_to_float(float_to_half(value)); }

std::uint8_t byte(int value) { return static_cast<std::uint8_t>(value); }

// The 16 bytes of low nibbles of 32 quants, and for the five-bit formats their fifth bits before.
void append_quants32(Bytes& out, const std::array<int, 32>& q, bool has_fifth_bits) {
  if (has_fifth_bits) {
    std::uint32_t high = 0;
    for (std::size_t j = 0; j < 32; ++j) high |= static_cast<std::uint32_t>(q[j] >> 4 & 1) << j;
    append(out, high);
  }
  for (std::size_t j = 0; j < 16; ++j) append(out, byte((q[j] & 15) | (q[j + 16] & 15) << 4));
}

// Q4_0 and Q5_0: x = d (q - half the levels).
void symmetric32(Bytes& out, Values x, int levels) {
  const int zero = levels / 2;
  const float d = through_half(largest(x) / static_cast<float>(zero - 1));
  std::array<int, 32> q{};
  for (std::size_t j = 0; j < 32; ++j) q[j] = nearest(x[j], d, -zero, zero - 1) + zero;
  append(out, float_to_half(d));
  append_quants32(out, q, levels == 32);
}

// Q4_1 and Q5_1: x = d q + m.
void affine32(Bytes& out, Values x, int levels) {
  const auto [min, max] = range(x);
  const float d = through_half((max - min) / static_cast<float>(levels - 1));
  const float m = through_half(min);
  std::array<int, 32> q{};
  for (std::size_t j = 0; j < 32; ++j) q[j] = nearest(x[j] - m, d, 0, levels - 1);
  append(out, float_to_half(d));
  append(out, float_to_half(m));
  append_quants32(out, q, levels == 32);
}

void q8_0(Bytes& out, Values x) {
  const float d = through_half(largest(x) / 127);
  append(out, float_to_half(d));
  for (const float value : x) append(out, static_cast<std::int8_t>(nearest(value, d, -127, 127)));
}

// Q4_K and Q5_K: x = d scale q - dmin min, scale and min of 6 bits for each 32 values.
void affine256(Bytes& out, Values x, bool has_fifth_bits) {
  const int top = has_fifth_bits ? 31 : 15;
  std::array<float, 8> step{};
  std::array<float, 8> depth{};  // how far below zero a sub-block reaches
  for (std::size_t j = 0; j < 8; ++j) {
    const auto [min, max] = range(x.subspan(32 * j, 32));
    depth[j] = std::max(0.0F, -min);
    step[j] = (std::max(0.0F, max) + depth[j]) / static_cast<float>(top);
  }
  const float d = through_half(largest(step) / 63);
  const float dmin = through_half(largest(depth) / 63);
  std::array<std::uint8_t, 12> packed{};
  std::array<std::array<int, 32>, 8> q{};
  for (std::size_t j = 0; j < 8; ++j) {
    const int scale = nearest(step[j], d, 0, 63);
    const int min = nearest(depth[j], dmin, 0, 63);
    for (std::size_t l = 0; l < 32; ++l) {
      const float above = x[32 * j + l] + dmin * static_cast<float>(min);
      q[j][l] = nearest(above, d * static_cast<float>(scale), 0, top);
    }
    if (j < 4) {
      packed[j] = byte(packed[j] | scale);
      packed[j + 4] = byte(packed[j + 4] | min);
    } else {
      packed[j + 4] = byte((scale & 15) | (min & 15) << 4);
      packed[j - 4] = byte(packed[j - 4] | (scale >> 4) << 6);
      packed[j] = byte(packed[j] | (min >> 4) << 6);
    }
  }
  append(out, float_to_half(d));
  append(out, float_to_half(dmin));
  for (const std::uint8_t b : packed) append(out, b);
  for (std::size_t l = 0; has_fifth_bits && l < 32; ++l) {
    int bits = 0;
    for (std::size_t j = 0; j < 8; ++j) bits |= (q[j][l] >> 4) << j;
    append(out, byte(bits));
  }
  for (std::size_t j = 0; j < 8; j += 2) {
    for (std::size_t l = 0; l < 32; ++l) {
      append(out, byte((q[j][l] & 15) | (q[j + 1][l] & 15) << 4));
    }
  }
}

// x = d scale (q - 32), a signed scale of 8 bits for each 16 values.
void q6_k(Bytes& out, Values x) {
  std::array<float, 16> step{};
  for (std::size_t i = 0; i < 16; ++i) step[i] = largest(x.subspan(16 * i, 16)) / 31;
  const float d = through_half(largest(step) / 127);
  std::array<int, 16> scale{};
  std::array<int, 256> q{};
  for (std::size_t i = 0; i < 256; ++i) {
    scale[i / 16] = nearest(step[i / 16], d, 0, 127);
    q[i] = nearest(x[i], d * static_cast<float>(scale[i / 16]), -32, 31) + 32;
  }
  for (std::size_t half = 0; half < 256; half += 128) {
    for (std::size_t l = half; l < half + 64; ++l) {
      append(out, byte((q[l] & 15) | (q[l + 64] & 15) << 4));
    }
  }
  for (std::size_t half = 0; half < 256; half += 128) {
    for (std::size_t l = half; l < half + 32; ++l) {
      append(out, byte(q[l] >> 4 | (q[l + 32] >> 4) << 2 | (q[l + 64] >> 4) << 4 |
                       (q[l + 96] >> 4) << 6));
    }
  }
  for (const int s : scale) append(out, static_cast<std::int8_t>(s));
  append(out, float_to_half(d));
}

std::uint16_t to_bfloat(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

void append_block(Bytes& out, TensorType type, Values x) {
  switch (type) {
    case TensorType::kF32:
      return append(out, x[0]);
    case TensorType::kF16:
      return append(out, float_to_half(x[0]));
    case TensorType::kBF16:
      return append(out, to_bfloat(x[0]));
    case TensorType::kQ4_0:
      return symmetric32(out, x, 16);
    case TensorType::kQ4_1:
      return affine32(out, x, 16);
    case TensorType::kQ5_0:
      return symmetric32(out, x, 32);
    case TensorType::kQ5_1:
      return affine32(out, x, 32);
    case TensorType::kQ8_0:
      return q8_0(out, x);
    case TensorType::kQ4_K:
      return affine256(out, x, false);
    case TensorType::kQ5_K:
      return affine256(out, x, true);
    case TensorType::kQ6_K:
      return q6_k(out, x);
  }
}

}  // namespace

std::vector<std::byte> quantize(TensorType type, std::span<const float> values) {
  Bytes out;
  const std::size_t block = inference::block_shape(type).values;
  for (std::size_t i = 0; i < values.size(); i += block) {
    append_block(out, type, values.subspan(i, block));
  }
  return out;
}

}  // namespace weft::fakes
