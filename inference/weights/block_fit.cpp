#include "inference/weights/block_fit.h"

#include <algorithm>
#include <cmath>

namespace weft::inference {
namespace {

// Below this the step of a block is less than half a unit of the smallest half-precision number
// even for the widest grid, so that it would be stored as zero.
constexpr float kFlat = 1e-12F;

// Grids around the plain one, in steps of a tenth of a level: wide enough for the outermost value
// to be worth a level less or more.
constexpr int kGrids = 10;
constexpr float kGridStep = 0.1F;

}  // namespace

float fit_step(std::span<const float> x, std::span<const float> weights, int low, int high) {
  const float outermost = *std::ranges::max_element(x, {}, [](float v) { return std::abs(v); });
  if (std::abs(outermost) < kFlat) return 0;
  float best_step = 0;
  float best_gain = -1;
  for (int grid = -kGrids; grid <= kGrids; ++grid) {
    const float inverse =
        (static_cast<float>(low) + kGridStep * static_cast<float>(grid)) / outermost;
    float xq = 0;
    float qq = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto q = static_cast<float>(round_within(x[i] * inverse, low, high));
      xq += weights[i] * x[i] * q;
      qq += weights[i] * q * q;
    }
    // The error is a constant less xq^2 / qq, with the step xq / qq.
    if (qq > 0 && xq * xq / qq > best_gain) {
      best_gain = xq * xq / qq;
      best_step = xq / qq;
    }
  }
  // All the weight may be on zeros: then any step that spans the block will do.
  return best_gain > 0 ? best_step : outermost / static_cast<float>(low);
}

StepAndMin fit_step_and_min(std::span<const float> x, std::span<const float> weights,
                            const FitMinOptions& options) {
  const auto [low_value, high_value] = std::ranges::minmax_element(x);
  const float min = options.min_at_most_0 ? std::min(0.0F, *low_value) : *low_value;
  const float range = *high_value - min;
  if (range < kFlat) return {0, min};
  float w_sum = 0;
  float x_sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    w_sum += weights[i];
    x_sum += weights[i] * x[i];
  }
  const auto top = static_cast<float>(options.top);
  StepAndMin best{range / top, min};
  float best_error = -1;
  const auto keep_if_better = [&](const StepAndMin& found, float inverse) {
    float error = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto q = static_cast<float>(round_within((x[i] - min) * inverse, 0, options.top));
      const float difference = found.step * q + found.min - x[i];
      error += weights[i] * difference * difference;
    }
    if (best_error < 0 || error < best_error) {
      best_error = error;
      best = found;
    }
  };
  keep_if_better(best, top / range);
  for (int grid = -kGrids; grid <= kGrids; ++grid) {
    const float inverse = (top + kGridStep * static_cast<float>(grid)) / range;
    float q_sum = 0;
    float qq = 0;
    float xq = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto q = static_cast<float>(round_within((x[i] - min) * inverse, 0, options.top));
      q_sum += weights[i] * q;
      qq += weights[i] * q * q;
      xq += weights[i] * x[i] * q;
    }
    const float determinant = w_sum * qq - q_sum * q_sum;
    if (!(determinant > 0)) continue;
    StepAndMin found{(w_sum * xq - x_sum * q_sum) / determinant,
                     (qq * x_sum - q_sum * xq) / determinant};
    if (options.min_at_most_0 && found.min > 0) found = {xq / qq, 0};
    if (found.step > 0) keep_if_better(found, inverse);
  }
  return best;
}

}  // namespace weft::inference
