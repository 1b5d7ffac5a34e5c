// `weft predict`: what a run of a graph will take and spend, from what earlier runs have shown and
// how fast the model is here. Nothing is called.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/graph_inputs.h"
#include "cli/graph_statistics.h"
#include "cli/text.h"
#include "cli/text_input.h"
#include "cli/verbs.h"
#include "cli/whole_number.h"
#include "planner/calibration.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options : GraphOptions {
  std::size_t samples = 200;
};

/// The chance that a run ends for lack of budget or time.
struct Overrun {
  double budget = 0;
  double time = 0;
};

bool has_limit(const GraphStatistics::Question& question) {
  const SpendLimit& limit = question.limit;
  return limit.prompt_tokens || limit.output_tokens || limit.calls || question.timeout.count() > 0;
}

/// The same run within its limits, on a clock that runs as `calibrated` says.
Result<Overrun> overrun(const GraphStatistics& statistics, const planner::AnyProgram& program,
                        GraphStatistics::Question question, const planner::Forecast& raw,
                        const planner::Forecast& calibrated) {
  if (raw.seconds.p50 > 0 && calibrated.seconds.p50 > 0) {
    const double scale = raw.seconds.p50 / calibrated.seconds.p50;
    question.timeout = std::chrono::nanoseconds(
        static_cast<std::int64_t>(static_cast<double>(question.timeout.count()) * scale));
  }
  WEFT_TRY(limited, statistics.forecast(program, question));
  const auto share = [&](ErrorCode code) {
    const auto found = limited.failures.find(std::string(to_string(code)));
    return found == limited.failures.end() ? 0.0 : double(found->second) / double(limited.samples);
  };
  return Overrun{share(ErrorCode::kResourceExhausted), share(ErrorCode::kDeadlineExceeded)};
}

/// What the forecast rests on, for people.
std::string basis(const GraphStatistics& statistics, const planner::Forecast& forecast) {
  std::string text;
  if (const auto& engine = statistics.engine()) {
    text += "engine: reads " + fixed(engine->prefill_tokens_per_s, 0) + " tokens/s, a step takes " +
            fixed(1e3 * engine->step(1), 1) + " ms (" + fixed(1e3 * engine->step(4), 1) +
            " ms for 4 answers at once)\n";
  }
  if (forecast.calibrated_by > 0) {
    text += "seconds and output tokens as far off as those of the last " +
            std::to_string(forecast.calibrated_by) + " runs\n";
  } else {
    text += "runs to learn from: " + std::to_string(statistics.book().runs().size()) + ", from " +
            std::to_string(planner::kCalibrationRunsMin) +
            " on the intervals are set by how far off forecasts were\n";
  }
  std::string unknown;
  for (const std::string& path : forecast.unknown) {
    unknown += (unknown.empty() ? "" : ", ") + printable(path);
  }
  if (unknown.empty()) return text;
  return text + "nothing is known of " + unknown +
         ": taken to spend the most that they may, lists to have 1 element, loops to go on to "
         "their bound, branches to go either way\n";
}

void print(Context& context, const GraphStatistics& statistics, const planner::Forecast& forecast,
           const std::optional<Overrun>& over) {
  Console& console = context.console;
  if (console.json_result()) {
    Json json = Json::parse(forecast.json());
    json["calibrated_by"] = forecast.calibrated_by;
    json["runs_known"] = statistics.book().runs().size();
    if (const auto& engine = statistics.engine()) {
      json["engine"] = {{"prefill_tokens_per_s", engine->prefill_tokens_per_s},
                        {"step_seconds", engine->step_seconds}};
    }
    if (over) json["exceeds"] = {{"budget", over->budget}, {"time", over->time}};
    console.print_json(json);
    return;
  }
  std::string text = forecast.text() + "\n" + basis(statistics, forecast);
  if (over) {
    text += "ends for lack of budget with a chance of " + fixed(100 * over->budget, 1) +
            " %, of time " + fixed(100 * over->time, 1) + " %\n";
  }
  console.print(text);
}

Result<ExitCode> predict(Context& context, const Options& options) {
  WEFT_TRY(text, read_input(context, options.file, kGraphBytesMax));
  planner::GraphParts parts = parts_of(options);
  parts.folder = std::filesystem::path(options.file).parent_path();
  parts.tools.allows_all = true;  // none is called
  auto graph = planner::load_graph(text, parts);
  if (!graph) return std::move(graph).error().with_context(options.file);
  WEFT_TRY(inputs, inputs_of(context, options, graph->program.body()));
  WEFT_TRY(budget, budget_of(options, *graph));
  GraphMachine machine(options.workers);
  WEFT_TRY_VOID(equip(context, text, parts, machine, *graph));
  GraphStatistics statistics(context, text, machine);
  WEFT_TRY_VOID(statistics.measure_engine());
  const GraphStatistics::Question question{.inputs = std::move(inputs),
                                           .limit = budget.limit,
                                           .timeout = budget.wall_time,
                                           .samples = static_cast<int>(options.samples),
                                           .workers = options.workers};
  GraphStatistics::Question unlimited = question;
  unlimited.limit = {};
  unlimited.timeout = {};
  WEFT_TRY(raw, statistics.forecast(graph->program, unlimited));
  const planner::Forecast forecast = planner::calibrate(raw, statistics.book());
  std::optional<Overrun> over;
  if (has_limit(question)) {
    WEFT_TRY(found, overrun(statistics, graph->program, question, raw, forecast));
    over = found;
  }
  print(context, statistics, forecast, over);
  constexpr double kLikely = 0.5;
  const bool will_end_early = over && std::max(over->budget, over->time) >= kLikely;
  return will_end_early ? ExitCode::kPartial : ExitCode::kDone;
}

}  // namespace

void add_predict(CLI::App& app, Parsed& parsed) {
  const auto options = std::make_shared<Options>();
  auto* verb = app.add_subcommand(
      "predict",
      "What a run of a graph will take and spend, before it runs; 4 if it will more "
      "likely than not end for lack of budget or time");
  verb->add_option("file", options->file, "The graph; - is standard input")
      ->required()
      ->type_name("FILE");
  add_graph_inputs(*verb, *options);
  add_graph_limits(*verb, *options, parsed);
  verb->add_option("--samples", options->samples, "Simulated runs [200]")
      ->type_name("N")
      ->check(whole_number)
      ->check(CLI::Range(1, 100'000));
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return predict(context, *options); };
  });
}

}  // namespace weft::cli
