#pragma once
// What was forecast beside what a run then did: a record that a trace can keep, and what many of
// them say of the forecast.

#include <span>
#include <string>
#include <string_view>

#include "planner/forecast.h"

namespace weft::planner {

/// One figure.
struct Compared {
  double predicted = 0;  // mean
  Interval interval;     // 80 %
  double measured = 0;

  bool is_inside() const noexcept { return interval.contains(measured); }
  /// |predicted - measured| / measured; 0 where both are 0, 1 where only the measured is.
  double error() const noexcept;
};

struct Comparison {
  Compared seconds;
  Compared prompt_tokens;
  Compared output_tokens;
  Compared calls;
  Compared money_micros;
  double success_predicted = 0;
  bool succeeded = false;

  std::string json() const;  // one line
  /// Errors: kInvalidArgument for what json() doesn't write.
  static Result<Comparison> from_json(std::string_view json);
};

Comparison compare(const Forecast& forecast, const Report& report, bool succeeded);

/// Of runs that succeeded, but for the shares of success.
struct ComparisonSummary {
  std::int64_t runs = 0;
  double coverage = 0;      // share of runs whose time was in the 80 % interval
  Interval coverage_95;     // Wilson
  double median_error = 0;  // of the time
  double exact_tokens = 0;  // share of runs whose tokens and calls were as predicted, to the last
  double success_predicted = 0;
  double success_measured = 0;
};
ComparisonSummary summarize(std::span<const Comparison> comparisons);

}  // namespace weft::planner
