#pragma once
// A run that is learned from: forecast before it begins, counted while it goes on, compared at its
// end, and judged where the right answer is known.

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "cli/graph_statistics.h"
#include "planner/stats_collector.h"

namespace weft::cli {

// Notes of a recorded run: Forecast::json() and Comparison::json().
inline constexpr const char* kForecastNote = "forecast";
inline constexpr const char* kComparisonNote = "comparison";

class WatchedRun {
 public:
  struct Options {
    bool adds = true;                        // to the statistics
    bool goes_on = false;                    // with an earlier run: only its nodes are learned from
    std::optional<planner::Value> expected;  // the right answer
  };

  /// Forecasts a run that begins, if anything is known to do it from. Borrows all but `options`.
  WatchedRun(Context& context, const std::string& text, const GraphMachine& machine,
             const planner::AnyProgram& program, const GraphStatistics::Question& question,
             Options options);

  const std::optional<planner::Forecast>& forecast() const noexcept { return forecast_; }
  /// For RunOptions::on_event.
  void see(const planner::Event& event) { collector_.see(event); }
  /// How a run ended: `value` is null for one without. One that waits for answers has a time that
  /// says nothing, so its nodes alone are learned from, as those of the run that goes on with it.
  struct End {
    const planner::Value* value = nullptr;
    bool is_suspended = false;
    planner::Trace* trace = nullptr;  // where it was recorded
  };
  /// Once. Returns what it adds to the run's JSON: {"forecast", "right"}.
  nlohmann::ordered_json end(const planner::AnyRun& run, const End& end);

 private:
  bool judge(const planner::Value& value);

  Context& context_;
  const std::string& text_;
  const Options options_;
  GraphStatistics statistics_;
  planner::StatsBook seen_;
  planner::StatsCollector collector_;
  double seconds_forecast_ = 0;  // not calibrated
  double output_tokens_forecast_ = 0;
  std::optional<planner::Forecast> forecast_;  // calibrated
};

}  // namespace weft::cli
