// `weft tune`: tries the sizes, overlaps, workers and votes that a graph's file lists, each by a
// forecast, and prints those that no other beats in cost, time and error.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "cli/graph_inputs.h"
#include "cli/graph_statistics.h"
#include "cli/text_input.h"
#include "cli/verbs.h"
#include "cli/whole_number.h"
#include "planner/calibration.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options : GraphOptions {
  std::size_t samples = 50;
  std::optional<double> error_max;
  std::string svg;
};

/// Forecasts of the graph with other settings.
class Trials {
 public:
  Trials(const Options& options, const std::string& text, const planner::GraphParts& parts,
         const planner::GraphTuning& tuning, const GraphStatistics& statistics,
         planner::Inputs inputs)
      : options_(options),
        text_(text),
        parts_(parts),
        tuning_(tuning),
        statistics_(statistics),
        inputs_(std::move(inputs)) {}

  /// Whether any setting's error is known; without, errors are 0 and say nothing.
  bool knows_errors() const {
    const planner::SearchSpace space = tuning_.space();
    for (const std::int64_t overlap : space.overlaps_percent) {
      for (const std::int64_t votes : space.votes) {
        const planner::Setting setting{
            .size = space.sizes.front(), .overlap_percent = overlap, .votes = votes};
        if (planner::judged_error(statistics_.book(), tuning_, setting)) return true;
      }
    }
    return false;
  }

  Result<planner::Outcome> operator()(const planner::Setting& setting) const {
    WEFT_TRY(changed, planner::with_setting(text_, tuning_, setting));
    WEFT_TRY(graph, planner::load_graph(changed, parts_));
    const std::size_t workers =
        tuning_.workers.size() > 1 ? static_cast<std::size_t>(setting.workers) : options_.workers;
    WEFT_TRY(raw,
             statistics_.forecast(graph.program, {.inputs = inputs_,
                                                  .samples = static_cast<int>(options_.samples),
                                                  .workers = workers}));
    const planner::Forecast forecast = planner::calibrate(std::move(raw), statistics_.book());
    const auto error = planner::judged_error(statistics_.book(), tuning_, setting);
    constexpr double kNotKnown = 1;  // the worst share; where no error is known, see below
    return planner::outcome_of(forecast, error ? *error : knows_errors() ? kNotKnown : 0);
  }

 private:
  const Options& options_;
  const std::string& text_;
  const planner::GraphParts& parts_;
  const planner::GraphTuning& tuning_;
  const GraphStatistics& statistics_;
  const planner::Inputs inputs_;
};

Result<planner::Target> target_of(const Options& options, const planner::LoadedGraph& graph,
                                  bool knows_errors) {
  planner::Target target;
  WEFT_TRY(budget, budget_of(options, graph));
  const SpendLimit& limit = budget.limit;
  if (limit.calls) target.calls = double(*limit.calls);
  // Of either kind alone a front knows nothing: together they are the least that fits both.
  if (limit.prompt_tokens && limit.output_tokens) {
    target.tokens = double(*limit.prompt_tokens) + double(*limit.output_tokens);
  }
  const double seconds = std::chrono::duration<double>(budget.wall_time).count();
  if (seconds > 0) target.seconds = seconds;
  target.error = options.error_max;
  if (target.error && !knows_errors) {
    return Error{ErrorCode::kInvalidArgument,
                 "--error: no run of this graph was judged: run it on inputs whose right answer is "
                 "known, with `weft run FILE --expect VALUE`"};
  }
  return target;
}

Result<ExitCode> tune(Context& context, const Options& options) {
  WEFT_TRY(text, read_input(context, options.file, kGraphBytesMax));
  planner::GraphParts parts = parts_of(options);
  parts.folder = std::filesystem::path(options.file).parent_path();
  parts.tools.allows_all = true;  // none is called
  auto graph = planner::load_graph(text, parts);
  if (!graph) return std::move(graph).error().with_context(options.file);
  WEFT_TRY(tuning, planner::graph_tuning(text));
  if (!tuning) {
    return Error{ErrorCode::kInvalidArgument,
                 options.file +
                     ": the file has no \"tune\", which says what may be changed; `weft run "
                     "--schema` has its form"};
  }
  WEFT_TRY(inputs, inputs_of(context, options, graph->program.body()));
  GraphMachine machine(options.workers);
  WEFT_TRY_VOID(equip(context, text, parts, machine, *graph));
  GraphStatistics statistics(context, text, machine);
  WEFT_TRY_VOID(statistics.measure_engine());
  const Trials trials(options, text, parts, *tuning, statistics, std::move(inputs));
  const bool knows_errors = trials.knows_errors();
  WEFT_TRY(target, target_of(options, *graph, knows_errors));
  WEFT_TRY(tuned, planner::tune(tuning->space(), target, trials));
  if (!options.svg.empty()) WEFT_TRY_VOID(write_file_atomically(options.svg, tuned.svg()));
  Console& console = context.console;
  if (console.json_result()) {
    Json json = Json::parse(tuned.json());
    json["knows_errors"] = knows_errors;
    console.print_json(json);
  } else {
    console.print(tuned.text());
  }
  if (!knows_errors) {
    console.note(
        "no run was judged (`weft run --expect VALUE`), so errors are left out: the front is of "
        "cost and time alone");
  }
  return tuned.front.empty() ? ExitCode::kPartial : ExitCode::kDone;
}

}  // namespace

void add_tune(CLI::App& app, Parsed& parsed) {
  const auto options = std::make_shared<Options>();
  auto* verb = app.add_subcommand(
      "tune",
      "The best sizes, overlaps, workers and votes of a graph, by forecasts; 4 if none "
      "fits the budget");
  verb->add_option("file", options->file, "The graph, whose \"tune\" says what may be changed")
      ->required()
      ->type_name("FILE");
  add_graph_inputs(*verb, *options);
  add_graph_limits(*verb, *options, parsed);
  verb->add_option("--error", options->error_max, "The largest error that will do")
      ->type_name("X")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--samples", options->samples, "Simulated runs of each setting [50]")
      ->type_name("N")
      ->check(whole_number)
      ->check(CLI::Range(1, 100'000));
  verb->add_option("--svg", options->svg,
                   "Draw the front: cost against error, the faster the darker")
      ->type_name("FILE");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return tune(context, *options); };
  });
}

}  // namespace weft::cli
