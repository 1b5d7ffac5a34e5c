#include "planner/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace weft::planner {

Interval wilson(double successes, double trials, double z) {
  if (trials <= 0) return {};
  const double share = successes / trials;
  const double square = z * z / trials;
  const double middle = (share + square / 2) / (1 + square);
  const double half = z * std::sqrt((share * (1 - share) + square / 4) / trials) / (1 + square);
  return {std::max(0.0, middle - half), std::min(1.0, middle + half)};
}

std::vector<double> isotonic(std::span<const double> values, std::span<const double> weights) {
  struct Pool {
    double mean;
    double weight;
    std::size_t count;
  };
  std::vector<Pool> pools;
  for (std::size_t i = 0; i < values.size(); ++i) {
    pools.push_back({values[i], weights.empty() ? 1.0 : weights[i], 1});
    while (pools.size() > 1 && pools[pools.size() - 2].mean > pools.back().mean) {
      const Pool last = pools.back();
      pools.pop_back();
      Pool& before = pools.back();
      const double weight = before.weight + last.weight;
      before.mean = (before.mean * before.weight + last.mean * last.weight) / weight;
      before.weight = weight;
      before.count += last.count;
    }
  }
  std::vector<double> fitted;
  fitted.reserve(values.size());
  for (const Pool& pool : pools) fitted.insert(fitted.end(), pool.count, pool.mean);
  return fitted;
}

double quantile(std::span<const double> sorted, double q) {
  if (sorted.empty()) return 0;
  const double place = std::clamp(q, 0.0, 1.0) * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], place - static_cast<double>(below));
}

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  const auto n = static_cast<double>(values.size());
  Spread spread;
  spread.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - spread.mean) * (value - spread.mean);
  spread.sd = values.size() > 1 ? std::sqrt(squares / (n - 1)) : 0;
  spread.p10 = quantile(values, 0.1);
  spread.p50 = quantile(values, 0.5);
  spread.p90 = quantile(values, 0.9);
  return spread;
}

namespace {

double draw_gamma(Random& random, double shape) {
  // Below 1 the method doesn't hold: Gamma(a) = Gamma(a + 1) U^(1/a).
  if (shape < 1) {
    const double power = std::pow(1 - random.uniform(), 1 / shape);
    return draw_gamma(random, shape + 1) * power;
  }
  const double d = shape - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = random.normal();
    const double root = 1 + c * x;
    if (root <= 0) continue;
    const double v = root * root * root;
    if (std::log(1 - random.uniform()) < x * x / 2 + d - d * v + d * std::log(v)) return d * v;
  }
}

}  // namespace

double draw_beta(Random& random, double a, double b) {
  const double first = draw_gamma(random, a);
  const double second = draw_gamma(random, b);
  return first + second > 0 ? first / (first + second) : a / (a + b);
}

}  // namespace weft::planner
