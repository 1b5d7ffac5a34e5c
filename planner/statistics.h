#pragma once
// What few samples say about many runs: intervals, quantiles, fits that only rise.

#include <cstdint>
#include <span>
#include <vector>

#include "base/random.h"

namespace weft::planner {

struct Interval {
  double low = 0;
  double high = 1;
  bool contains(double x) const noexcept { return low <= x && x <= high; }
  friend bool operator==(const Interval&, const Interval&) = default;
};

/// z of a two-sided 95 % interval.
inline constexpr double kZ95 = 1.959963984540054;

/// For a proportion of which `successes` of `trials` were seen; [0, 1] without trials. Both may be
/// fractions, as an effective number of trials is. Source: Wilson 1927; Agresti and Coull 1998.
Interval wilson(double successes, double trials, double z = kZ95);

/// The non-decreasing sequence nearest to `values` in weighted squares, by pooling neighbours that
/// fall. As many weights (> 0) as values, or none for equal ones. Source: Ayer et al. 1955.
std::vector<double> isotonic(std::span<const double> values, std::span<const double> weights = {});

/// The q-quantile of values in rising order, linear between neighbours; 0 of none.
double quantile(std::span<const double> sorted, double q);

/// Mean and quantiles of many values.
struct Spread {
  double mean = 0;
  double sd = 0;
  double p10 = 0;  // p10 to p90: the 80 % interval
  double p50 = 0;
  double p90 = 0;
  friend bool operator==(const Spread&, const Spread&) = default;
};
Spread spread_of(std::vector<double> values);

/// A draw from Beta(a, b), both > 0: a chance of which a successes and b failures are known, by
/// two gammas. Source: Marsaglia and Tsang 2000.
double draw_beta(Random& random, double a, double b);

}  // namespace weft::planner
