#include "inference/tensor_type.h"

#include <array>
#include <bit>
#include <cassert>
#include <cstring>

namespace weft::inference {
namespace {

// Numbers are read as they lie in the file.
static_assert(std::endian::native == std::endian::little);

// Every id that GGUF gave, removed ones too; the index is the id.
constexpr std::array<std::string_view, 43> kNames = {
    "F32",   "F16",        "Q4_0",       "Q4_1",       "Q4_2",     "Q4_3",     "Q5_0",
    "Q5_1",  "Q8_0",       "Q8_1",       "Q2_K",       "Q3_K",     "Q4_K",     "Q5_K",
    "Q6_K",  "Q8_K",       "IQ2_XXS",    "IQ2_XS",     "IQ3_XXS",  "IQ1_S",    "IQ4_NL",
    "IQ3_S", "IQ2_S",      "IQ4_XS",     "I8",         "I16",      "I32",      "I64",
    "F64",   "IQ1_M",      "BF16",       "Q4_0_4_4",   "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",
    "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4",    "NVFP4",    "Q1_0",
    "Q2_0"};

// One block's bytes, read field by field.
class Block {
 public:
  explicit Block(const std::byte* bytes) : bytes_(bytes) {}

  int u8(std::size_t at) const { return std::to_integer<int>(bytes_[at]); }
  int i8(std::size_t at) const { return static_cast<std::int8_t>(u8(at)); }
  std::uint16_t u16(std::size_t at) const { return load<std::uint16_t>(at); }
  std::uint32_t u32(std::size_t at) const { return load<std::uint32_t>(at); }
  float half(std::size_t at) const { return half_to_float(u16(at)); }

 private:
  template <typename T>
  T load(std::size_t at) const {
    T value;
    std::memcpy(&value, bytes_ + at, sizeof value);
    return value;
  }

  const std::byte* bytes_;
};

// The 32 blocks of 4 bits: byte j holds value j in its low nibble and value j + 16 in its high one.
int nibble(const Block& block, std::size_t quants, int j) {
  return j < 16 ? block.u8(quants + static_cast<std::size_t>(j)) & 15
                : block.u8(quants + static_cast<std::size_t>(j) - 16) >> 4;
}

int fifth_bit(std::uint32_t high_bits, int j) {
  return static_cast<int>((high_bits >> j) & 1) << 4;
}

void q4_0(const Block& block, float* out) {
  const float d = block.half(0);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(nibble(block, 2, j) - 8);
}

void q4_1(const Block& block, float* out) {
  const float d = block.half(0);
  const float m = block.half(2);
  for (int j = 0; j < 32; ++j) out[j] = d * static_cast<float>(nibble(block, 4, j)) + m;
}

void q5_0(const Block& block, float* out) {
  const float d = block.half(0);
  const std::uint32_t high = block.u32(2);
  for (int j = 0; j < 32; ++j) {
    out[j] = d * static_cast<float>((nibble(block, 6, j) | fifth_bit(high, j)) - 16);
  }
}

void q5_1(const Block& block, float* out) {
  const float d = block.half(0);
  const float m = block.half(2);
  const std::uint32_t high = block.u32(4);
  for (int j = 0; j < 32; ++j) {
    out[j] = d * static_cast<float>(nibble(block, 8, j) | fifth_bit(high, j)) + m;
  }
}

void q8_0(const Block& block, float* out) {
  const float d = block.half(0);
  for (std::size_t j = 0; j < 32; ++j) out[j] = d * static_cast<float>(block.i8(2 + j));
}

// The 6-bit scale and minimum of sub-block j in 0..7, packed into the 12 bytes from byte 4 on.
struct ScaleMin {
  int scale;
  int min;
};

ScaleMin scale_min(const Block& block, std::size_t j) {
  constexpr std::size_t b = 4;
  if (j < 4) return {block.u8(b + j) & 63, block.u8(b + j + 4) & 63};
  return {(block.u8(b + j + 4) & 15) | ((block.u8(b + j - 4) >> 6) << 4),
          (block.u8(b + j + 4) >> 4) | ((block.u8(b + j) >> 6) << 4)};
}

// Q4_K and Q5_K: eight sub-blocks of 32; pairs of them share 32 bytes, the even one in the low
// nibbles. Q5_K's fifth bits follow the scales: bit j of byte l belongs to sub-block j.
void q4_k_or_q5_k(const Block& block, bool has_fifth_bits, float* out) {
  const float d = block.half(0);
  const float dmin = block.half(2);
  const std::size_t quants = has_fifth_bits ? 48 : 16;
  for (std::size_t j = 0; j < 8; ++j) {
    const auto [scale, min] = scale_min(block, j);
    const float step = d * static_cast<float>(scale);
    const float lowest = dmin * static_cast<float>(min);
    for (std::size_t l = 0; l < 32; ++l) {
      const int pair = block.u8(quants + 32 * (j / 2) + l);
      int q = j % 2 == 0 ? pair & 15 : pair >> 4;
      if (has_fifth_bits) q |= ((block.u8(16 + l) >> j) & 1) << 4;
      out[32 * j + l] = step * static_cast<float>(q) - lowest;
    }
  }
}

// Two halves of 128. Of each, quarter k of 32 values takes its low nibbles from bytes 32 (k % 2)..
// of the half's ql, its high two bits from bits 2k of qh, and a scale for every 16 values.
void q6_k(const Block& block, float* out) {
  const float d = block.half(208);
  for (std::size_t half = 0; half < 2; ++half) {
    for (std::size_t k = 0; k < 4; ++k) {
      for (std::size_t l = 0; l < 32; ++l) {
        const int pair = block.u8(64 * half + 32 * (k % 2) + l);
        const int low = k < 2 ? pair & 15 : pair >> 4;
        const int high = (block.u8(128 + 32 * half + l) >> (2 * k)) & 3;
        const int scale = block.i8(192 + 8 * half + 2 * k + l / 16);
        const float step = d * static_cast<float>(scale);
        out[128 * half + 32 * k + l] = step * static_cast<float>((low | high << 4) - 32);
      }
    }
  }
}

void dequantize_block(TensorType type, const Block& block, float* out) {
  switch (type) {
    case TensorType::kF32:
      *out = std::bit_cast<float>(block.u32(0));
      return;
    case TensorType::kF16:
      *out = block.half(0);
      return;
    case TensorType::kBF16:
      *out = std::bit_cast<float>(static_cast<std::uint32_t>(block.u16(0)) << 16);
      return;
    case TensorType::kQ4_0:
      return q4_0(block, out);
    case TensorType::kQ4_1:
      return q4_1(block, out);
    case TensorType::kQ5_0:
      return q5_0(block, out);
    case TensorType::kQ5_1:
      return q5_1(block, out);
    case TensorType::kQ8_0:
      return q8_0(block, out);
    case TensorType::kQ4_K:
      return q4_k_or_q5_k(block, false, out);
    case TensorType::kQ5_K:
      return q4_k_or_q5_k(block, true, out);
    case TensorType::kQ6_K:
      return q6_k(block, out);
  }
}

}  // namespace

std::optional<TensorType> tensor_type_from_id(std::uint32_t id) noexcept {
  switch (static_cast<TensorType>(id)) {
    case TensorType::kF32:
    case TensorType::kF16:
    case TensorType::kQ4_0:
    case TensorType::kQ4_1:
    case TensorType::kQ5_0:
    case TensorType::kQ5_1:
    case TensorType::kQ8_0:
    case TensorType::kQ4_K:
    case TensorType::kQ5_K:
    case TensorType::kQ6_K:
    case TensorType::kBF16:
      return static_cast<TensorType>(id);
  }
  return std::nullopt;
}

std::string_view tensor_type_name(std::uint32_t id) noexcept {
  return id < kNames.size() ? kNames[id] : "?";
}

std::string_view to_string(TensorType type) noexcept {
  return tensor_type_name(static_cast<std::uint32_t>(type));
}

BlockShape block_shape(TensorType type) noexcept {
  switch (type) {
    case TensorType::kF32:
      return {1, 4};
    case TensorType::kF16:
    case TensorType::kBF16:
      return {1, 2};
    case TensorType::kQ4_0:
      return {32, 18};
    case TensorType::kQ4_1:
      return {32, 20};
    case TensorType::kQ5_0:
      return {32, 22};
    case TensorType::kQ5_1:
      return {32, 24};
    case TensorType::kQ8_0:
      return {32, 34};
    case TensorType::kQ4_K:
      return {256, 144};
    case TensorType::kQ5_K:
      return {256, 176};
    case TensorType::kQ6_K:
      return {256, 210};
  }
  assert(false && "not a TensorType");
  return {1, 4};
}

std::optional<std::size_t> row_bytes(TensorType type, std::size_t values) noexcept {
  const BlockShape shape = block_shape(type);
  if (values % shape.values != 0) return std::nullopt;
  std::size_t bytes = 0;
  if (__builtin_mul_overflow(values / shape.values, shape.bytes, &bytes)) return std::nullopt;
  return bytes;
}

void dequantize(TensorType type, std::span<const std::byte> blocks, std::span<float> out) noexcept {
  const BlockShape shape = block_shape(type);
  assert(out.size() % shape.values == 0);
  assert(blocks.size() == out.size() / shape.values * shape.bytes);
  for (std::size_t i = 0; i < out.size() / shape.values; ++i) {
    dequantize_block(type, Block(blocks.data() + i * shape.bytes), out.data() + i * shape.values);
  }
}

float half_to_float(std::uint16_t half) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  const std::uint32_t exponent = (half >> 10) & 31;
  const std::uint32_t fraction = half & 0x3FF;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000 | fraction << 13);
  if (exponent == 0) {  // zero or subnormal: a multiple of 2^-24, which a float holds exactly
    const float magnitude = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

std::uint16_t float_to_half(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  const std::uint32_t magnitude = bits & 0x7FFFFFFF;
  const auto with_sign = [sign](std::uint32_t half) {
    return static_cast<std::uint16_t>(sign | half);
  };
  if (magnitude > 0x7F800000) return with_sign(0x7E00 | (magnitude >> 13 & 0x3FF));  // NaN, quiet
  if (magnitude >= 0x477FF000) return with_sign(0x7C00);  // 65520, half way to 2^16, and above
  if (magnitude >= 0x38800000) {                          // 2^-14, the least normal half
    // The carry of rounding up a fraction of ones runs into the exponent, as it should.
    return with_sign((magnitude + 0xFFF + (magnitude >> 13 & 1) - 0x38000000) >> 13);
  }
  if (magnitude < 0x33000000) return with_sign(0);  // below 2^-25, half of the least subnormal
  const std::uint32_t fraction = (magnitude & 0x7FFFFF) | 0x800000;
  const std::uint32_t shift = 126 - (magnitude >> 23);  // to units of 2^-24: 14..24
  const std::uint32_t half_unit = 1U << (shift - 1);
  const std::uint32_t odd = fraction >> shift & 1;
  return with_sign((fraction + half_unit - 1 + odd) >> shift);
}

}  // namespace weft::inference
