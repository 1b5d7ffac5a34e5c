#include "inference/weights/quantize.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "inference/weights/block_fit.h"
#include "inference/weights/block_packing.h"
#include "inference/weights/quantize_k.h"

namespace weft::inference {
namespace {

constexpr std::size_t kBlock = 32;

using Values = std::span<const float, kBlock>;
using Codes = std::array<std::uint8_t, kBlock>;

template <typename T>
std::byte* put(std::byte* out, T value) {
  std::memcpy(out, &value, sizeof value);
  return out + sizeof value;
}

/// 1 / step; 0 where that is no number, and the step as good as none.
float inverse_of(float step) {
  const float inverse = step == 0 ? 0 : 1 / step;
  return std::isfinite(inverse) ? inverse : 0;
}

// ggml's own rounding: a number that isn't negative and was moved up by a half is cut off.
std::uint8_t code_of(float x_and_half, int top) {
  return static_cast<std::uint8_t>(std::clamp(static_cast<int>(x_and_half), 0, top));
}

void put_codes(std::byte* out, const Codes& codes, int top) {
  if (top > 15) out = put(out, fifth_bits32(codes));
  pack_nibbles32(codes, std::span<std::byte, 16>(out, 16));
}

// Q4_0 and Q5_0. The value of largest magnitude gets the end of the grid that reaches further,
// whatever its sign, so that it is exact.
void symmetric(Values x, std::span<const float> weights, int top, std::byte* out) {
  const int zero = (top + 1) / 2;
  float step = 0;
  float inverse = 0;
  if (weights.empty()) {
    const float outermost = *std::ranges::max_element(x, {}, [](float v) { return std::abs(v); });
    step = outermost / static_cast<float>(-zero);
    inverse = inverse_of(step);
  } else {
    step = half_to_float(float_to_half(fit_step(x, weights, -zero, top - zero)));
    inverse = inverse_of(step);
  }
  Codes codes{};
  for (std::size_t j = 0; j < kBlock; ++j) {
    codes[j] = code_of(x[j] * inverse + (static_cast<float>(zero) + 0.5F), top);
  }
  put_codes(put(out, float_to_half(step)), codes, top);
}

// Q4_1 and Q5_1.
void affine(Values x, std::span<const float> weights, int top, std::byte* out) {
  const auto [low, high] = std::ranges::minmax_element(x);
  StepAndMin grid{(*high - *low) / static_cast<float>(top), *low};
  if (!weights.empty()) {
    grid = fit_step_and_min(x, weights, {.top = top});
    grid.step = half_to_float(float_to_half(grid.step));
    grid.min = half_to_float(float_to_half(grid.min));
  }
  const float inverse = inverse_of(grid.step);
  Codes codes{};
  for (std::size_t j = 0; j < kBlock; ++j) {
    codes[j] = code_of((x[j] - grid.min) * inverse + 0.5F, top);
  }
  put_codes(put(put(out, float_to_half(grid.step)), float_to_half(grid.min)), codes, top);
}

void q8_0(Values x, std::byte* out) {
  float largest = 0;
  for (const float value : x) largest = std::max(largest, std::abs(value));
  constexpr int kTop = 127;
  const float step = largest / kTop;
  const float inverse = inverse_of(step);
  out = put(out, float_to_half(step));
  for (const float value : x) {
    out = put(out, static_cast<std::int8_t>(std::round(value * inverse)));
  }
}

std::uint16_t to_bfloat(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// The largest value that the steps of the block formats, which are half floats, are sure to reach.
constexpr float kBlockValueMax = 65504;
constexpr float kHalfMax = 65519.996F;       // rounds to the largest half, not to infinity
constexpr float kBfloatMax = 3.3953135e38F;  // likewise

float largest_of(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return std::numeric_limits<float>::max();
    case TensorType::kBF16:
      return kBfloatMax;
    case TensorType::kF16:
      return kHalfMax;
    default:
      return kBlockValueMax;
  }
}

Result<void> check_values(TensorType type, std::span<const float> values) {
  const float largest = largest_of(type);
  // A comparison with NaN is false.
  const auto wrong =
      std::ranges::find_if(values, [&](float value) { return !(std::abs(value) <= largest); });
  if (wrong == values.end()) return {};
  const std::string why = std::isfinite(*wrong) ? ", more than " + std::string(to_string(type)) +
                                                      " can hold; write it as BF16 or F32"
                                                : ", which no format should hold: the source is "
                                                  "damaged";
  return Error{ErrorCode::kUnsupported, "value " + std::to_string(wrong - values.begin()) + " is " +
                                            std::to_string(*wrong) + why};
}

void quantize_block(TensorType type, std::span<const float> x, std::span<const float> importance,
                    float mean_square, std::byte* out) {
  // How much a squared error counts: the importance says how large the activations are, the values
  // themselves which of them matter. This is llama.cpp's choice too.
  std::array<float, 256> weights_memory{};
  std::span<const float> weights;
  if (!importance.empty() && is_block_format(type) && type != TensorType::kQ8_0) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      weights_memory[i] = importance[i] * std::sqrt(mean_square + x[i] * x[i]);
    }
    weights = std::span(weights_memory).first(x.size());
  }
  switch (type) {
    case TensorType::kF32:
      put(out, x[0]);
      return;
    case TensorType::kF16:
      put(out, float_to_half(x[0]));
      return;
    case TensorType::kBF16:
      put(out, to_bfloat(x[0]));
      return;
    case TensorType::kQ4_0:
      return symmetric(x.first<kBlock>(), weights, 15, out);
    case TensorType::kQ4_1:
      return affine(x.first<kBlock>(), weights, 15, out);
    case TensorType::kQ5_0:
      return symmetric(x.first<kBlock>(), weights, 31, out);
    case TensorType::kQ5_1:
      return affine(x.first<kBlock>(), weights, 31, out);
    case TensorType::kQ8_0:
      return q8_0(x.first<kBlock>(), out);
    case TensorType::kQ4_K:
      return quantize_q4_k(x.first<256>(), weights, std::span<std::byte, 144>(out, 144));
    case TensorType::kQ5_K:
      return quantize_q5_k(x.first<256>(), weights, std::span<std::byte, 176>(out, 176));
    case TensorType::kQ6_K:
      return quantize_q6_k(x.first<256>(), weights, std::span<std::byte, 210>(out, 210));
  }
}

}  // namespace

bool is_block_format(TensorType type) noexcept { return block_shape(type).values > 1; }

Result<void> quantize(TensorType type, std::span<const float> values,
                      std::span<const float> importance, std::span<std::byte> out) {
  const BlockShape shape = block_shape(type);
  if (row_bytes(type, values.size()) != out.size() ||
      (!importance.empty() && importance.size() != values.size())) {
    return Error{ErrorCode::kInvalidArgument, std::to_string(values.size()) + " values with " +
                                                  std::to_string(importance.size()) +
                                                  " weights into " + std::to_string(out.size()) +
                                                  " bytes of " + std::string(to_string(type))};
  }
  WEFT_TRY_VOID(check_values(type, values));
  double squares = 0;
  if (!importance.empty()) {
    for (const float value : values) squares += double{value} * value;
  }
  const auto mean_square = static_cast<float>(squares / static_cast<double>(values.size()));
  for (std::size_t i = 0; i * shape.values < values.size(); ++i) {
    const std::size_t first = i * shape.values;
    quantize_block(type, values.subspan(first, shape.values),
                   importance.empty() ? importance : importance.subspan(first, shape.values),
                   mean_square, out.data() + i * shape.bytes);
  }
  return {};
}

}  // namespace weft::inference
