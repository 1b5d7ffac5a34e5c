#include "planner/error_model.h"

#include <cmath>
#include <numbers>
#include <numeric>

namespace weft::planner {

double sum_error_bound(std::span<const double> errors) {
  return std::accumulate(errors.begin(), errors.end(), 0.0);
}

double sum_error_unbiased(std::int64_t k, double sigma) {
  return sigma * std::sqrt(2.0 * static_cast<double>(k) / std::numbers::pi);
}

double sum_error_biased(std::int64_t k, double bias) {
  return static_cast<double>(k) * std::abs(bias);
}

double mean_size_of_normal(double mean, double variance) {
  if (variance <= 0) return std::abs(mean);
  const double sd = std::sqrt(variance);
  return sd * std::sqrt(2 / std::numbers::pi) * std::exp(-mean * mean / (2 * variance)) +
         mean * std::erf(mean / (sd * std::numbers::sqrt2));
}

double any_fails_bound(std::span<const double> chances) {
  return std::fmin(1.0, sum_error_bound(chances));
}

double any_fails(std::span<const double> chances) {
  double all_right = 1;
  for (const double chance : chances) all_right *= 1 - chance;
  return 1 - all_right;
}

double needle_error(const NeedleSearch& search) {
  const double r = search.recall;
  const double h = search.false_alarm;
  const auto j = static_cast<double>(search.with_needle);
  const auto others = static_cast<double>(search.chunks - search.with_needle) + 1;  // N + 1
  const double none_found = std::pow(1 - r, j);
  const double one_found = j * r * std::pow(1 - r, j - 1);
  // One right answer ties with each false alarm: it wins with 1 / (1 + alarms), whose mean this is.
  const double wins = h > 0 ? -std::expm1(others * std::log1p(-h)) / (others * h) : 1.0;
  return none_found + one_found * (1 - wins);
}

double false_answer(std::int64_t chunks, double false_alarm) {
  return 1 - std::pow(1 - false_alarm, static_cast<double>(chunks));
}

double facts_error(const FactSearch& search) {
  const double found = 1 - std::pow(1 - search.recall, static_cast<double>(search.windows));
  return 1 - std::pow(found, static_cast<double>(search.facts)) * (1 - search.generator_error);
}

std::int64_t longest_whole_span(std::int64_t size) { return size - (size + 1) / 2 + 1; }

double majority_right(std::int64_t n, double p) {
  double right = 0;
  for (std::int64_t votes = n / 2 + 1; votes <= n; ++votes) {
    const auto v = static_cast<double>(votes);
    const auto all = static_cast<double>(n);
    const double ways = std::lgamma(all + 1) - std::lgamma(v + 1) - std::lgamma(all - v + 1);
    right += std::exp(ways) * std::pow(p, v) * std::pow(1 - p, all - v);
  }
  return right;
}

LeadVote lead_by(std::int64_t k, double p) {
  const auto lead = static_cast<double>(k);
  if (p <= 0) return {0, lead};
  LeadVote vote{.right = 1 / (1 + std::pow((1 - p) / p, lead))};
  // A fair walk's mean, the limit for p -> 1/2, is K^2.
  constexpr double kFair = 1e-6;
  vote.calls =
      std::abs(2 * p - 1) < kFair ? lead * lead : lead * (2 * vote.right - 1) / (2 * p - 1);
  return vote;
}

double tree_error_bound(double eps, double branching, std::int64_t depth, double sensitivity) {
  double sum = 0;
  double level = 1;
  for (std::int64_t d = 0; d <= depth; ++d, level *= branching * sensitivity) sum += level;
  return eps * sum;
}

double tree_max_error_bound(double eps, std::int64_t depth) {
  return static_cast<double>(depth + 1) * eps;
}

}  // namespace weft::planner
