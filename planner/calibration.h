#pragma once
// Forecasts set right by earlier ones: how far off they were is where the interval of the next
// comes from. Runs on a busy machine, or a model of the engine that leaves something out, are off
// by a common factor that independent draws for each node can't show. Source: Vovk et al. 2005,
// split conformal prediction, with the ratio measured / forecast as the score.

#include <span>

#include "planner/forecast.h"

namespace weft::planner {

/// Ratios of fewer runs say too little, and leave the forecast as it is.
inline constexpr std::size_t kCalibrationRunsMin = 8;

/// The spread of `middle` times a ratio like one of `ratios` (at least one): of its interval p10 to
/// p90, the next ratio falls into 80 % of them, whatever their distribution.
Spread scaled(double middle, std::span<const double> ratios);

/// The forecast with seconds and output tokens as the book's runs were, which had forecasts that
/// weren't calibrated.
Forecast calibrate(Forecast forecast, const StatsBook& book);

}  // namespace weft::planner
