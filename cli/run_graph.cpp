// `weft run`: runs a graph from a file with the local model, its tools and a collection.

#include <CLI/CLI.hpp>
#include <filesystem>

#include "cli/graph_inputs.h"
#include "cli/graph_run.h"
#include "cli/text_input.h"
#include "cli/traces.h"
#include "cli/verbs.h"
#include "planner/graph_file.h"

namespace weft::cli {
namespace {

struct Options : GraphOptions {
  bool mermaid = false;
  bool dot = false;
  bool schema = false;
  bool record = false;
  bool no_stats = false;
  std::optional<std::string> expected;
  std::string trace;  // file
};

// Simulated runs behind a forecast: of a run that isn't recorded, enough for its middle.
constexpr int kSamples = 25;
constexpr int kRecordedSamples = 200;

/// Whether a person may have to answer.
bool asks(const planner::Body& body) {
  return std::ranges::any_of(body.nodes, [](const planner::Node& node) {
    return node.kind == planner::NodeKind::kAsk ||
           std::ranges::any_of(node.bodies, [](const auto& inside) { return asks(*inside); });
  });
}

Result<ExitCode> run_graph(Context& context, const Options& options) {
  Console& console = context.console;
  if (options.schema) {
    console.print(planner::graph_schema());
    return ExitCode::kDone;
  }
  if (options.file.empty()) {
    return Error{ErrorCode::kInvalidArgument, "give a graph's FILE, or --schema"};
  }
  WEFT_TRY(text, read_input(context, options.file, kGraphBytesMax));
  planner::GraphParts parts = parts_of(options);
  parts.folder = std::filesystem::path(options.file).parent_path();
  // Without a model first: it takes time to load, and mistakes shouldn't wait for it.
  auto graph = planner::load_graph(text, parts);
  if (!graph) return std::move(graph).error().with_context(options.file);
  if (options.mermaid || options.dot) {
    console.print(options.mermaid ? graph->program.mermaid() : graph->program.dot());
    return ExitCode::kDone;
  }
  WEFT_TRY(inputs, inputs_of(context, options, graph->program.body()));
  WEFT_TRY(budget, budget_of(options, *graph));
  WEFT_TRY_VOID(check_tools(*graph));
  std::optional<planner::Value> expected;
  if (options.expected) {
    auto value = value_of(*graph->program.result_type(), *options.expected);
    if (!value) return std::move(value).error().with_context("--expect");
    expected = *std::move(value);
  }
  GraphMachine machine(options.workers);
  WEFT_TRY_VOID(equip(context, text, parts, machine, *graph));
  std::unique_ptr<planner::Trace> trace;
  if (options.record || !options.trace.empty()) {
    WEFT_TRY(opened, open_trace(context, options.trace, {}));
    trace = std::move(opened);
  }
  if (trace == nullptr && asks(graph->program.body())) {
    return Error{ErrorCode::kInvalidArgument,
                 "the graph asks a person, so its run has to be recorded: add --record"};
  }
  planner::RunOptions run_options{.limit = budget.limit,
                                  .timeout = budget.wall_time,
                                  .stop = context.stop,
                                  .trace = trace.get()};
  run_options.notes = origin_notes(text, parts.folder);
  WatchedRun watched(context, text, machine, graph->program,
                     {.inputs = inputs,
                      .samples = trace != nullptr ? kRecordedSamples : kSamples,
                      .workers = options.workers},
                     {.adds = !options.no_stats, .expected = std::move(expected)});
  if (watched.forecast()) run_options.notes[kForecastNote] = watched.forecast()->json();
  return run_and_report(context, machine,
                        {.options = std::move(run_options),
                         .watched = &watched,
                         .parent = {},
                         .start = [&](const planner::RunOptions& all) {
                           return machine.runtime.start_any(graph->program, inputs, all);
                         }});
}

}  // namespace

void add_run(CLI::App& app, Parsed& parsed) {
  const auto options = std::make_shared<Options>();
  auto* verb = app.add_subcommand("run", "Run a graph of prompts, tools and code from a file");
  verb->add_option("file", options->file, "The graph; - is standard input")->type_name("FILE");
  add_graph_inputs(*verb, *options);
  verb->add_flag("--record", options->record,
                 "Record the run, so that it survives a crash and can be resumed and replayed");
  verb->add_flag("--no-stats", options->no_stats,
                 "Don't add the run to what forecasts are made from");
  verb->add_option("--expect", options->expected,
                   "The right answer, if it is known: what `weft tune` knows errors from")
      ->type_name("VALUE");
  verb->add_flag("--mermaid", options->mermaid, "Print it as a Mermaid flowchart, don't run it");
  verb->add_flag("--dot", options->dot, "Print it as a Graphviz digraph, don't run it");
  verb->add_flag("--schema", options->schema, "Print the JSON Schema of such files");
  add_graph_tools(*verb, *options);
  add_graph_limits(*verb, *options, parsed);
  add_trace_file(*verb, options->trace);
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_graph(context, *options); };
  });
}

}  // namespace weft::cli
