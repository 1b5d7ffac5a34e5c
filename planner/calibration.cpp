#include "planner/calibration.h"

#include <algorithm>
#include <cmath>

namespace weft::planner {
namespace {

std::vector<double> ratios_of(const std::vector<RunSample>& runs, double RunSample::*measured,
                              double RunSample::*forecast) {
  std::vector<double> ratios;
  for (const RunSample& run : runs) {
    if (run.*forecast > 0) ratios.push_back(run.*measured / run.*forecast);
  }
  return ratios;
}

}  // namespace

Spread scaled(double middle, std::span<const double> ratios) {
  std::vector<double> sorted(ratios.begin(), ratios.end());
  std::ranges::sort(sorted);
  // Of n + 1 ratios in any order the last is below the k-th of the others with k / (n + 1).
  const auto rank = [&](double q) {
    const double place = q * static_cast<double>(sorted.size() + 1) - 1;
    const double last = static_cast<double>(sorted.size() - 1);
    const double inside = std::clamp(place, 0.0, last);
    const auto below = static_cast<std::size_t>(inside);
    const std::size_t above = std::min(below + 1, sorted.size() - 1);
    return std::lerp(sorted[below], sorted[above], inside - static_cast<double>(below));
  };
  Spread spread = spread_of(sorted);
  return {.mean = middle * spread.mean,
          .sd = middle * spread.sd,
          .p10 = middle * rank(0.1),
          .p50 = middle * rank(0.5),
          .p90 = middle * rank(0.9)};
}

Forecast calibrate(Forecast forecast, const StatsBook& book) {
  const auto seconds = ratios_of(book.runs(), &RunSample::seconds, &RunSample::seconds_forecast);
  if (seconds.size() >= kCalibrationRunsMin) {
    forecast.seconds = scaled(forecast.seconds.p50, seconds);
    forecast.calibrated_by = static_cast<std::int64_t>(seconds.size());
  }
  const auto tokens =
      ratios_of(book.runs(), &RunSample::output_tokens, &RunSample::output_tokens_forecast);
  if (tokens.size() >= kCalibrationRunsMin) {
    forecast.output_tokens = scaled(forecast.output_tokens.p50, tokens);
    forecast.calibrated_by =
        std::max<std::int64_t>(forecast.calibrated_by, static_cast<std::int64_t>(tokens.size()));
  }
  return forecast;
}

}  // namespace weft::planner
