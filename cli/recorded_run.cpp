// Verbs for recorded runs: `weft resume` goes on with one, `weft replay` makes its values again and
// calls nothing, `weft fork` makes a new run of one with something changed.

#include <CLI/CLI.hpp>
#include <filesystem>

#include "agents/answer_run.h"
#include "base/nearest.h"
#include "cli/answer_output.h"
#include "cli/graph_inputs.h"
#include "cli/graph_run.h"
#include "cli/text_input.h"
#include "cli/traces.h"
#include "cli/verbs.h"
#include "planner/graph_file.h"
#include "planner/positions.h"

namespace weft::cli {
namespace {

enum class How { kResume, kReplay, kFork };

struct Options : GraphOptions {
  std::string trace;  // file
  std::string run;
  std::vector<std::string> given;  // PATH=VALUE
  std::vector<std::string> redo;   // PATH
  bool no_stats = false;
};

Error no_node(const planner::Body& body, const std::string& path) {
  std::vector<std::string> known;
  for (const planner::Position& position : planner::positions(body)) known.push_back(position.path);
  return Error{
      ErrorCode::kInvalidArgument,
      "the graph has no node " + path + did_you_mean(planner::without_indices(path), known)};
}

/// The types of the values at `paths`. Those of steps inside plans only the recorded run knows.
Result<std::map<std::string, const planner::Type*>> types_at(
    const std::set<std::string>& paths, const planner::AnyProgram& program,
    const std::function<Result<std::map<std::string, const planner::Type*>>(
        const std::set<std::string>&)>& recorded) {
  std::map<std::string, const planner::Type*> types;
  std::set<std::string> others;
  for (const std::string& path : paths) {
    const planner::Type* type = planner::type_at(program.body(), path);
    if (type != nullptr) {
      types.emplace(path, type);
    } else {
      others.insert(path);
    }
  }
  if (others.empty()) return types;
  WEFT_TRY(more, recorded(others));
  types.merge(more);
  for (const std::string& path : others) {
    if (!types.contains(path)) return no_node(program.body(), path);
  }
  return types;
}

/// What --set and --redo say.
Result<planner::Resumption> said(const Options& options, GraphMachine& machine,
                                 const planner::AnyProgram& program, const std::string& run,
                                 planner::Trace& trace) {
  planner::Resumption said;
  said.redo.insert(options.redo.begin(), options.redo.end());
  std::map<std::string, std::string> texts;
  std::set<std::string> paths = said.redo;
  for (const std::string& each : options.given) {
    WEFT_TRY(pair, pair_of(each, "--set"));
    paths.insert(pair.first);
    texts.insert(std::move(pair));
  }
  auto types =
      types_at(paths, program,
               [&](const auto& others) -> Result<std::map<std::string, const planner::Type*>> {
                 if (!options.file.empty()) return std::map<std::string, const planner::Type*>();
                 return machine.runtime.recorded_types(program, run, others, trace);
               });
  if (!types) return std::move(types).error().with_context("--set, --redo");
  for (const auto& [path, text] : texts) {
    auto value = value_of(*types->at(path), text);
    if (!value) return std::move(value).error().with_context("--set " + path);
    said.given.emplace(path, *std::move(value));
  }
  return said;
}

/// The graph of a recorded run as its file was then or, of a fork, as it is in another file.
Result<ExitCode> go_on(Context& context, const Options& options, How how) {
  WEFT_TRY(trace, open_trace(context, options.trace, {.create = false}));
  WEFT_TRY(recorded, trace->run(options.run));
  WEFT_TRY(kind, trace->note(recorded.id, agents::kProgramNote));
  if (kind == agents::kAnswerProgram) {
    if (how == How::kReplay) return print_recorded_answer(context, *trace, recorded.id);
    return Error{ErrorCode::kUnsupported, "run " + recorded.id +
                                              " is an answer to a question: ask again, or "
                                              "`weft replay` what was answered"};
  }
  WEFT_TRY(origin, origin_of(*trace, recorded));
  if (!options.file.empty()) {
    WEFT_TRY(text, read_input(context, options.file, kGraphBytesMax));
    origin = {std::move(text), std::filesystem::path(options.file).parent_path().string()};
  }
  planner::GraphParts parts = parts_of(options);
  parts.folder = origin.folder;
  if (how == How::kReplay) parts.tools.allows_all = true;  // none is called
  auto graph = planner::load_graph(origin.text, parts);
  if (!graph) {
    return std::move(graph).error().with_context(options.file.empty() ? "its graph" : options.file);
  }
  WEFT_TRY_VOID(check_tools(*graph));
  WEFT_TRY(budget, budget_of(options, *graph));
  GraphMachine machine(options.workers);
  WEFT_TRY_VOID(equip(context, origin.text, parts, machine, *graph));
  const planner::AnyProgram& program = graph->program;
  WEFT_TRY(resumption, said(options, machine, program, recorded.id, *trace));
  WEFT_TRY(inputs, given_inputs(context, options, program.body()));
  for (const auto& [name, value] : inputs.values()) resumption.given.emplace(name, value);

  std::optional<WatchedRun> watched;
  if (how != How::kReplay) {
    watched.emplace(
        context, origin.text, machine, program, GraphStatistics::Question{},
        WatchedRun::Options{.adds = !options.no_stats, .goes_on = true, .expected = {}});
  }
  GraphRun run{.options = {.limit = budget.limit,
                           .timeout = budget.wall_time,
                           .stop = context.stop,
                           .trace = trace.get()},
               .watched = watched ? &*watched : nullptr,
               .parent = how == How::kFork ? recorded.id : "",
               .start = {}};
  if (how == How::kFork) run.options.notes = origin_notes(origin.text, origin.folder);
  run.start = [&](const planner::RunOptions& all) -> Result<planner::AnyRun> {
    planner::Runtime& runtime = machine.runtime;
    switch (how) {
      case How::kReplay:
        return runtime.replay_any(program, recorded.id, all);
      case How::kFork:
        return runtime.fork_any(program, recorded.id, resumption, all);
      case How::kResume:
        break;
    }
    return runtime.resume_any(program, recorded.id, resumption, all);
  };
  return run_and_report(context, machine, std::move(run));
}

void add_changes(CLI::App& verb, Options& options, const char* set, const char* redo) {
  verb.add_option("--set", options.given, set)
      ->type_name("PATH=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_option("--redo", options.redo, redo)
      ->type_name("PATH")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_flag("--no-stats", options.no_stats,
                "Don't add its nodes to what forecasts are made from");
}

}  // namespace

void add_recorded_runs(CLI::App& app, Parsed& parsed) {
  const auto options = std::make_shared<Options>();
  const auto add = [&](const char* name, const char* help, How how) {
    auto* verb = app.add_subcommand(name, help);
    verb->add_option("run", options->run, "A run's id, or the beginning of it; see `weft trace`")
        ->required()
        ->type_name("RUN");
    add_graph_tools(*verb, *options);
    add_graph_limits(*verb, *options, parsed);
    add_trace_file(*verb, options->trace);
    verb->callback([&parsed, options, how] {
      parsed.action = [options, how](Context& context) { return go_on(context, *options, how); };
    });
    return verb;
  };
  add_changes(*add("resume", "Go on with a recorded run that didn't end", How::kResume), *options,
              "What is answered at a node, or what a call that nobody saw end has given; a "
              "text, or JSON for other types; may be repeated",
              "A node that may be called again although it may have been; may be repeated");
  add("replay", "Make a recorded run's values again; nothing is called", How::kReplay);
  auto* fork =
      add("fork", "Try a recorded run again with something changed: a new run", How::kFork);
  add_changes(*fork, *options,
              "A node's value in place of the recorded one; what follows from it runs anew, the "
              "rest is taken over; may be repeated",
              "A node to run again, and all that is inside of it; may be repeated");
  add_graph_inputs(*fork, *options);
  fork->add_option("--graph", options->file,
                   "Another version of its graph: nodes that changed, and what follows, run anew")
      ->type_name("FILE");
}

}  // namespace weft::cli
