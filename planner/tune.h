#pragma once
// Which sub-task size, overlap, workers and votes to take: a search through integers, since costs
// are saw-toothed (one chunk too many costs a whole round) and no gradient finds their minimum.
// What a setting leads to, a function says: a closed form of planner/tune_models.h, or a forecast
// of the program that the caller makes from it.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "planner/forecast.h"

namespace weft::planner {

struct Setting {
  std::int64_t size = 1;             // m, of a sub-task
  std::int64_t overlap_percent = 0;  // of a window with the next, [0, 99]
  std::int64_t workers = 1;          // p
  std::int64_t votes = 1;            // N
  friend bool operator==(const Setting&, const Setting&) = default;
};

/// All means. `cost` is in whatever unit is to be kept low: money, tokens, joules.
struct Outcome {
  double cost = 0;
  double seconds = 0;
  double error = 0;
  double tokens = 0;  // read and written
  double calls = 0;
};

struct SearchSpace {
  std::vector<std::int64_t> sizes{1};
  std::vector<std::int64_t> overlaps_percent{0};
  std::vector<std::int64_t> workers{1};
  std::vector<std::int64_t> votes{1};
};

/// An absent member is no limit.
struct Target {
  std::optional<double> cost;
  std::optional<double> seconds;
  std::optional<double> error;
  std::optional<double> tokens;
  std::optional<double> calls;
};

struct Candidate {
  Setting setting;
  Outcome outcome;
};

struct Tuning {
  std::int64_t tried = 0;
  std::int64_t within = 0;  // the target
  /// Those within the target of which no other is at least as good in cost, seconds and error, and
  /// better in one; by rising cost. Of equal ones the first that was tried.
  std::vector<Candidate> front;

  /// Of the front; null if it is empty.
  const Candidate* cheapest() const;
  const Candidate* fastest() const;
  const Candidate* most_right() const;

  std::string text() const;  // a table
  std::string json() const;
  std::string svg() const;  // cost against error, the faster the darker
};

/// Tries each setting of the space. Errors: kInvalidArgument for an empty list or a number out of
/// range; kResourceExhausted for more than a million settings; those of `evaluate`, with the
/// setting.
Result<Tuning> tune(const SearchSpace& space, const Target& target,
                    const std::function<Result<Outcome>(const Setting&)>& evaluate);

/// The smallest size for each number of parts of n: where a larger part is never better in itself,
/// no other size need be tried. About 2 sqrt(n) of them, falling.
std::vector<std::int64_t> sizes_worth_trying(std::int64_t n, std::int64_t size_max);

/// Means of a forecast; cost is its money, or its tokens where there is none. An error that the
/// forecast can't know, such as that of forecast_error(), is handed in.
Outcome outcome_of(const Forecast& forecast, double error);

}  // namespace weft::planner
