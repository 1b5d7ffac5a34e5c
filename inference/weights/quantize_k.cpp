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

constexpr std::size_t kSubBlock = 32;  // of Q4_K and Q5_K
constexpr std::size_t kSubBlocks = kValues / kSubBlock;
constexpr int kSixBits = 63;

/// The integer for x with x about step q - min; `inverse` is 1 / step.
float code_of(float x, float inverse, float min, int top) {
  constexpr float kMagic = 12582912;  // as in round_within()
  return (std::clamp((x + min) * inverse, 0.0F, static_cast<float>(top)) + kMagic) - kMagic;
}

/// A block of Q4_K or Q5_K but for the values' own integers: its units and their multiples.
struct KGrid {
  Unit step_unit{0};
  Unit min_unit{0};
  std::array<int, kSubBlocks> steps{};
  std::array<int, kSubBlocks> mins{};
  float error = 0;  // weighted and squared, of the whole block

  float step(int multiple) const { return step_unit.value * static_cast<float>(multiple); }
  float min(int multiple) const { return min_unit.value * static_cast<float>(multiple); }
};

float inverse_of(float step) { return step == 0 ? 0 : 1 / step; }

/// Finds the integers of a block whose grid's units are given. Weights are of the squared errors.
class KFit {
 public:
  KFit(Block x, std::span<const float> weights, int top) : x_(x), weights_(weights), top_(top) {}

  /// Each sub-block's own best grid, in multiples of the units that reach the largest.
  KGrid first() const {
    std::array<StepAndMin, kSubBlocks> grids;
    float largest_step = 0;
    float largest_min = 0;
    for (std::size_t j = 0; j < kSubBlocks; ++j) {
      grids[j] = fit_step_and_min(x_.subspan(kSubBlock * j, kSubBlock),
                                  weights_.subspan(kSubBlock * j, kSubBlock),
                                  {.top = top_, .min_at_most_0 = true});
      largest_step = std::max(largest_step, grids[j].step);
      largest_min = std::max(largest_min, -grids[j].min);
    }
    KGrid grid{.step_unit = Unit(largest_step / kSixBits),
               .min_unit = Unit(largest_min / kSixBits)};
    for (std::size_t j = 0; j < kSubBlocks; ++j) {
      grid.steps[j] = grid.step_unit.multiple_of(grids[j].step, 0, kSixBits);
      grid.mins[j] = grid.min_unit.multiple_of(-grids[j].min, 0, kSixBits);
    }
    settle(grid);
    return grid;
  }

  /// Moves each multiple by at most one to where the error is least: rounding step and min each for
  /// itself isn't the best for both.
  void settle(KGrid& grid) const {
    grid.error = 0;
    for (std::size_t j = 0; j < kSubBlocks; ++j) {
      const int steps = grid.steps[j];
      const int mins = grid.mins[j];
      float best = error_of(j, grid.step(steps), grid.min(mins));
      for (int s = std::max(0, steps - 1); s <= std::min(kSixBits, steps + 1); ++s) {
        for (int m = std::max(0, mins - 1); m <= std::min(kSixBits, mins + 1); ++m) {
          const float error = error_of(j, grid.step(s), grid.min(m));
          if (error >= best) continue;
          best = error;
          grid.steps[j] = s;
          grid.mins[j] = m;
        }
      }
      grid.error += best;
    }
  }

  /// The same multiples and integers with the units that are best for them, by least squares, and
  /// what settles from there; the same grid if nothing follows.
  KGrid refitted(const KGrid& grid) const {
    double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;  // x is about a step_unit - b min_unit
    for (std::size_t j = 0; j < kSubBlocks; ++j) {
      const float inverse = inverse_of(grid.step(grid.steps[j]));
      const float min = grid.min(grid.mins[j]);
      for (std::size_t i = kSubBlock * j; i < kSubBlock * (j + 1); ++i) {
        const double a = code_of(x_[i], inverse, min, top_) * static_cast<float>(grid.steps[j]);
        const double b = grid.mins[j];
        const double w = weights_[i];
        aa += w * a * a;
        ab += w * a * b;
        bb += w * b * b;
        ax += w * a * x_[i];
        bx += w * b * x_[i];
      }
    }
    const double determinant = aa * bb - ab * ab;
    KGrid next = grid;
    if (bb == 0 && aa > 0) {
      next.step_unit = Unit(static_cast<float>(ax / aa));
    } else if (determinant > 0) {
      next.step_unit = Unit(static_cast<float>((ax * bb - bx * ab) / determinant));
      next.min_unit = Unit(static_cast<float>((ax * ab - bx * aa) / determinant));
    }
    if (!(next.step_unit.value > 0) || !(next.min_unit.value >= 0)) return grid;
    settle(next);
    return next;
  }

 private:
  float error_of(std::size_t j, float step, float min) const {
    const float inverse = inverse_of(step);
    float error = 0;
    for (std::size_t i = kSubBlock * j; i < kSubBlock * (j + 1); ++i) {
      const float difference = step * code_of(x_[i], inverse, min, top_) - min - x_[i];
      error += weights_[i] * difference * difference;
    }
    return error;
  }

  Block x_;
  std::span<const float> weights_;
  int top_;
};

// Q4_K and Q5_K: x is about d steps q - dmin mins.
KBlock fit_k(Block x, std::span<const float> given_weights, int top) {
  constexpr int kRefits = 3;  // the error is as good as settled after them
  std::array<float, kValues> own{};
  if (given_weights.empty()) own = own_weights(x, kSubBlock);
  const KFit fit(x, given_weights.empty() ? own : given_weights, top);
  KGrid grid = fit.first();
  for (int i = 0; i < kRefits; ++i) {
    const KGrid next = fit.refitted(grid);
    if (next.error >= grid.error) break;
    grid = next;
  }
  KBlock block{.d = grid.step_unit.half, .dmin = grid.min_unit.half};
  for (std::size_t j = 0; j < kSubBlocks; ++j) {
    block.steps[j] = static_cast<std::uint8_t>(grid.steps[j]);
    block.mins[j] = static_cast<std::uint8_t>(grid.mins[j]);
    // Where the step is 0 every integer gives the same value.
    const float inverse = inverse_of(grid.step(grid.steps[j]));
    const float min = grid.min(grid.mins[j]);
    for (std::size_t i = kSubBlock * j; i < kSubBlock * (j + 1); ++i) {
      block.q[i] = static_cast<std::uint8_t>(code_of(x[i], inverse, min, top));
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
