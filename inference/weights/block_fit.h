#pragma once
// Steps of a block's grid that keep its weighted squared error small: for a few grids close to the
// plain one, values are rounded, the best step for these integers follows by least squares, and the
// grid with the smallest error wins. Private to the quantisers.

#include <span>

namespace weft::inference {

/// x is about step * q with integers q in [low, high], low < 0 < high. `weights` (x.size()) are
/// those of each squared error, all >= 0. Returns 0 for a block of zeros; negative steps are
/// allowed, since low reaches further than high.
float fit_step(std::span<const float> x, std::span<const float> weights, int low, int high);

struct StepAndMin {
  float step = 0;  // >= 0
  float min = 0;
};

struct FitMinOptions {
  int top = 15;                // x is about step * q + min with integers q in [0, top]
  bool min_at_most_0 = false;  // as the K formats have it
};

StepAndMin fit_step_and_min(std::span<const float> x, std::span<const float> weights,
                            const FitMinOptions& options);

/// To the nearest integer, ties to even, in [low, high]. |x| must be below 2^22.
inline int round_within(float x, int low, int high) {
  constexpr float kMagic = 12582912;  // 1.5 * 2^23: adding it leaves no bits for a fraction
  const auto rounded = static_cast<int>((x + kMagic) - kMagic);
  return rounded < low ? low : rounded > high ? high : rounded;
}

}  // namespace weft::inference
