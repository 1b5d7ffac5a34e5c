#include "inference/weights/quantize_k.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "inference/tensor_type.h"
#include "inference/weights/block_fit.h"
#include "inference/weights/block_packing.h"

namespace weft::inference {
namespace {

constexpr std::size_t kValues = 256;

using Block = std::span<const float, kValues>;

/// Of each squared error, where nothing is known of the activations: large weights meet large
/// activations more often than not, and no weight counts for nothing.
std::array<float, kValues> own_weights(Block x, std::size_t sub_block) {
  std::array<float, kValues> weights{};
  for (std::size_t first = 0; first < kValues; first += sub_block) {
    float squares = 0;
    for (std::size_t i = first; i < first + sub_block; ++i) squares += x[i] * x[i];
    const float typical = std::sqrt(squares / static_cast<float>(sub_block));
    for (std::size_t i = first; i < first + sub_block; ++i) weights[i] = typical + std::abs(x[i]);
  }
  return weights;
}

/// The half float nearest to `value`, and what a sub-block's six or eight bits make of it.
struct Unit {
  std::uint16_t half = 0;
  float value = 0;

  explicit Unit(float unit) : half(float_to_half(unit)), value(half_to_float(half)) {}

  int multiple_of(float x, int low, int high) const {
    return value == 0 ? 0 : round_within(x / value, low, high);
  }
};

// Q4_K and Q5_K: x is about d steps q - dmin mins.
KBlock fit_k(Block x, std::span<const float> given_weights, int top) {
  constexpr std::size_t kSubBlock = 32;
  constexpr int kSixBits = 63;
  std::array<float, kValues> own{};
  if (given_weights.empty()) own = own_weights(x, kSubBlock);
  const std::span<const float> weights = given_weights.empty() ? own : given_weights;
  std::array<StepAndMin, 8> grids;
  float largest_step = 0;
  float largest_min = 0;
  for (std::size_t j = 0; j < grids.size(); ++j) {
    grids[j] = fit_step_and_min(x.subspan(kSubBlock * j, kSubBlock),
                                weights.subspan(kSubBlock * j, kSubBlock),
                                {.top = top, .min_at_most_0 = true});
    largest_step = std::max(largest_step, grids[j].step);
    largest_min = std::max(largest_min, -grids[j].min);
  }
  const Unit step_unit(largest_step / kSixBits);
  const Unit min_unit(largest_min / kSixBits);
  KBlock block{.d = step_unit.half, .dmin = min_unit.half};
  for (std::size_t j = 0; j < grids.size(); ++j) {
    const int steps = step_unit.multiple_of(grids[j].step, 0, kSixBits);
    const int mins = min_unit.multiple_of(-grids[j].min, 0, kSixBits);
    block.steps[j] = static_cast<std::uint8_t>(steps);
    block.mins[j] = static_cast<std::uint8_t>(mins);
    const float step = step_unit.value * static_cast<float>(steps);
    const float min = min_unit.value * static_cast<float>(mins);
    if (step == 0) continue;  // every integer gives the same value
    for (std::size_t i = kSubBlock * j; i < kSubBlock * (j + 1); ++i) {
      // Far outside only where a step was rounded down to little: within the magic number's reach.
      const float q = std::clamp((x[i] + min) / step, -1.0F, static_cast<float>(top + 1));
      block.q[i] = static_cast<std::uint8_t>(round_within(q, 0, top));
    }
  }
  return block;
}

}  // namespace

void quantize_q4_k(Block x, std::span<const float> weights, std::span<std::byte, 144> out) {
  pack_q4_k(fit_k(x, weights, 15), out);
}

void quantize_q5_k(Block x, std::span<const float> weights, std::span<std::byte, 176> out) {
  pack_q5_k(fit_k(x, weights, 31), out);
}

// x is about d steps (q - 32), the steps of eight bits with a sign.
void quantize_q6_k(Block x, std::span<const float> given_weights, std::span<std::byte, 210> out) {
  constexpr std::size_t kSubBlock = 16;
  constexpr int kZero = 32;
  constexpr int kEightBits = 127;
  std::array<float, kValues> own{};
  if (given_weights.empty()) own = own_weights(x, kSubBlock);
  const std::span<const float> weights = given_weights.empty() ? own : given_weights;
  std::array<float, 16> steps{};
  float largest = 0;
  for (std::size_t j = 0; j < steps.size(); ++j) {
    steps[j] = fit_step(x.subspan(kSubBlock * j, kSubBlock),
                        weights.subspan(kSubBlock * j, kSubBlock), -kZero, kZero - 1);
    largest = std::max(largest, std::abs(steps[j]));
  }
  const Unit unit(largest / kEightBits);
  Q6KBlock block{.d = unit.half};
  for (std::size_t i = 0; i < kValues; ++i) {
    const std::size_t j = i / kSubBlock;
    if (i % kSubBlock == 0) {
      block.steps[j] =
          static_cast<std::int8_t>(unit.multiple_of(steps[j], -kEightBits - 1, kEightBits));
    }
    const float step = unit.value * static_cast<float>(block.steps[j]);
    const float q = step == 0 ? 0 : std::clamp(x[i] / step, -33.0F, 32.0F);
    block.q[i] = static_cast<std::uint8_t>(round_within(q, -kZero, kZero - 1) + kZero);
  }
  pack_q6_k(block, out);
}

}  // namespace weft::inference
