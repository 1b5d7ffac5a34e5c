#pragma once
// The block formats of GGUF tensors: how many values a block holds and how many bytes it takes.
// The formulas are in tensor_type.cpp's dequantize(), the oracle of every faster kernel.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace weft::inference {

/// The numbers are GGUF's own ids.
enum class TensorType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kBF16 = 30,
};

struct BlockShape {
  std::size_t values;  // 1, 32 or 256
  std::size_t bytes;
};

/// The type of a GGUF id, nothing for an id that this build doesn't read.
std::optional<TensorType> tensor_type_from_id(std::uint32_t id) noexcept;

/// GGUF's name for any id it ever gave, such as "IQ4_NL", to refuse a format by name; else "?".
std::string_view tensor_type_name(std::uint32_t id) noexcept;
std::string_view to_string(TensorType type) noexcept;

BlockShape block_shape(TensorType type) noexcept;

/// Bytes of a row of `values` values; nothing if `values` isn't whole blocks.
std::optional<std::size_t> row_bytes(TensorType type, std::size_t values) noexcept;

/// out[i] = the i-th value of `blocks`. `out.size()` is whole blocks and `blocks` exactly theirs
/// (asserted). Plain and slow: the formula as it is written in spec tables.
void dequantize(TensorType type, std::span<const std::byte> blocks, std::span<float> out) noexcept;

float half_to_float(std::uint16_t half) noexcept;
std::uint16_t float_to_half(float value) noexcept;  // round to nearest even, overflow to infinity

}  // namespace weft::inference
