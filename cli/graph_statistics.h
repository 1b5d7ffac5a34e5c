#pragma once
// What earlier runs of a graph on a model have shown, kept in statistics.db of the data home, and
// forecasts from it.

#include <optional>
#include <string>

#include "cli/graph_machine.h"
#include "planner/comparison.h"
#include "planner/forecast.h"
#include "planner/graph_tuning.h"
#include "planner/stats_store.h"

namespace weft::cli {

class GraphStatistics {
 public:
  /// Of the graph in `text`, on the model that `machine` has loaded. Statistics that can't be read
  /// are warned of, and none are known.
  GraphStatistics(Context& context, const std::string& text, const GraphMachine& machine);

  const planner::StatsBook& book() const noexcept { return book_; }
  /// How fast the model's engine is here; nothing before measure_engine().
  const std::optional<planner::EngineRates>& engine() const noexcept { return engine_; }
  /// Measures the engine, a few seconds, where that wasn't done before, and keeps the figures.
  /// Errors: those of the engine.
  Result<void> measure_engine();

  struct Question {
    planner::Inputs inputs;
    SpendLimit limit;
    std::chrono::nanoseconds timeout{0};
    int samples = 200;
    std::size_t workers = 0;
  };
  /// By the book's nodes, the engine's rates and, with `inputs` known, the graph's own plain code.
  /// Not calibrated. Errors: those of planner::forecast().
  Result<planner::Forecast> forecast(const planner::AnyProgram& program,
                                     const Question& question) const;

  /// Adds what a run has shown. What can't be written is warned of.
  void add(const planner::StatsBook& seen);

 private:
  Context& context_;
  const GraphMachine& machine_;
  std::string scope_;
  std::string engine_name_;
  std::optional<planner::StatsStore> store_;
  planner::StatsBook book_;
  std::optional<planner::EngineRates> engine_;
};

/// A comparison, as compare() makes it, for people: a line a figure.
std::string comparison_text(const planner::Comparison& comparison);

}  // namespace weft::cli
