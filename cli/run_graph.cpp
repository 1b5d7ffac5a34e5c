// `weft run`: runs a graph from a file with the local model, its tools and a collection. `weft
// resume` goes on with a recorded run, `weft replay` makes its values again and calls nothing.

#include <CLI/CLI.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agents/answer_run.h"
#include "cli/answer_output.h"
#include "cli/graph_inputs.h"
#include "cli/graph_machine.h"
#include "cli/graph_progress.h"
#include "cli/text.h"
#include "cli/text_input.h"
#include "cli/traces.h"
#include "cli/verbs.h"
#include "cli/watched_run.h"
#include "planner/graph_file.h"
#include "planner/runtime.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options : GraphOptions {
  bool mermaid = false;
  bool dot = false;
  bool schema = false;
  bool record = false;
  bool no_stats = false;
  std::optional<std::string> expected;
  std::string trace;               // file
  std::string run;                 // of resume and replay
  std::vector<std::string> given;  // PATH=VALUE
  std::vector<std::string> redo;   // PATH
};

// What a recorded run keeps beside its program, to be resumed without the file.
constexpr const char* kFileNote = "graph file";
constexpr const char* kFolderNote = "folder";

// Simulated runs behind a forecast: of a run that isn't recorded, enough for its middle.
constexpr int kSamples = 25;
constexpr int kRecordedSamples = 200;

void report(Context& context, const Json& result, const planner::AnyRun& ended,
            const GraphProgress& progress, const GraphMachine& machine, const Json& learned) {
  Console& console = context.console;
  const planner::Report run = ended.report();
  const double seconds = std::chrono::duration<double>(run.duration).count();
  if (console.json_result()) {
    Json usage = spend_json(run.spent);
    usage["seconds"] = seconds;
    Json json = {{"result", result}, {"usage", std::move(usage)}, {"nodes", progress.json()}};
    if (!machine.model_name().empty()) json["model"] = machine.model_name();
    if (!ended.id().empty()) json["run"] = ended.id();
    json.update(learned);
    console.print_json(json);
    return;
  }
  console.print((result.is_string() ? result.get<std::string>() : json_line(result)) + "\n");
  if (console.err_is_terminal()) {
    console.note(std::to_string(run.nodes) + " nodes in " + human_duration(seconds) + ", " +
                 std::to_string(run.spent.prompt_tokens) + " + " +
                 std::to_string(run.spent.output_tokens) + " tokens");
  }
}

/// How to go on with a recorded run that didn't end well.
void tell_how_to_go_on(Console& console, const planner::AnyRun& run) {
  for (const planner::Question& question : run.questions()) {
    console.note("asked at " + printable(question.path) + " (" + question.type->name +
                 "): " + printable(question.text));
  }
  std::string command = "to go on: weft resume " + run.id();
  for (const planner::Question& question : run.questions()) {
    command += " --set '" + printable(question.path) + "=ANSWER'";
  }
  console.note(command);
}

/// A run that waits for people is done in part: what it asks goes where its result would.
ExitCode report_questions(Console& console, const planner::AnyRun& run) {
  if (!console.json_result()) {
    tell_how_to_go_on(console, run);
    return ExitCode::kPartial;
  }
  Json questions = Json::array();
  for (const planner::Question& question : run.questions()) {
    questions.push_back(
        {{"path", question.path}, {"type", question.type->name}, {"text", question.text}});
  }
  console.print_json(
      {{"run", run.id()}, {"status", "suspended"}, {"questions", std::move(questions)}});
  return ExitCode::kPartial;
}

/// `start` begins the run with the options that it is given. `watched` is null for one that nothing
/// is learned from.
template <typename Start>
Result<ExitCode> run_program(Context& context, planner::RunOptions run_options,
                             GraphMachine& machine, WatchedRun* watched, Start start) {
  GraphProgress progress(context.console, context.console.err_is_terminal());
  run_options.on_event = [&](const planner::Event& event) {
    progress.on_event(event);
    if (watched != nullptr) watched->see(event);
  };
  Result<planner::AnyRun> run = start(run_options);
  if (!run) return std::move(run).error();
  auto value = run->wait_value();
  Json learned = Json::object();
  const bool has_ended = value || value.error().code != ErrorCode::kSuspended;
  if (watched != nullptr && has_ended) {
    learned = watched->end(*run, value ? &*value : nullptr, run_options.trace);
  }
  if (!value && value.error().code == ErrorCode::kSuspended) {
    return report_questions(context.console, *run);
  }
  if (!value) {
    if (!run->id().empty()) tell_how_to_go_on(context.console, *run);
    return std::move(value).error();
  }
  report(context, Json(planner::to_json(*value)), *run, progress, machine, learned);
  return ExitCode::kDone;
}

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
  WEFT_TRY(limit, budget_of(options, graph->budget));
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
  planner::RunOptions run_options{.limit = limit, .stop = context.stop, .trace = trace.get()};
  run_options.timeout = timeout_of(options, *graph);
  std::error_code ignored;  // a relative folder does as well
  run_options.notes = {{kFileNote, text},
                       {kFolderNote, std::filesystem::absolute(parts.folder, ignored).string()}};
  WatchedRun watched(context, text, machine, graph->program,
                     {.inputs = inputs,
                      .samples = trace != nullptr ? kRecordedSamples : kSamples,
                      .workers = options.workers},
                     {.adds = !options.no_stats, .expected = std::move(expected)});
  if (watched.forecast()) run_options.notes[kForecastNote] = watched.forecast()->json();
  return run_program(context, std::move(run_options), machine, &watched,
                     [&](const planner::RunOptions& all) {
                       return machine.runtime.start_any(graph->program, inputs, all);
                     });
}

/// The graph of a recorded run, as its file was then.
Result<ExitCode> go_on(Context& context, const Options& options, bool replays) {
  WEFT_TRY(trace, open_trace(context, options.trace, {.create = false}));
  WEFT_TRY(recorded, trace->run(options.run));
  if (recorded.is_redacted) {
    return Error{ErrorCode::kPermissionDenied,
                 "run " + recorded.id + " is redacted: a document that it used was forgotten"};
  }
  WEFT_TRY(text, trace->note(recorded.id, kFileNote));
  WEFT_TRY(kind, trace->note(recorded.id, agents::kProgramNote));
  if (kind == agents::kAnswerProgram) {
    if (replays) return print_recorded_answer(context, *trace, recorded.id);
    return Error{ErrorCode::kUnsupported, "run " + recorded.id +
                                              " is an answer to a question: ask again, or "
                                              "`weft replay` what was answered"};
  }
  if (!text) {
    return Error{ErrorCode::kUnsupported,
                 "run " + recorded.id +
                     " wasn't recorded by `weft run`: the program that made it "
                     "has to go on with it"};
  }
  WEFT_TRY(folder, trace->note(recorded.id, kFolderNote));
  planner::GraphParts parts = parts_of(options);
  parts.folder = folder.value_or("");
  if (replays) parts.tools.allows_all = true;  // none is called
  WEFT_TRY(graph, planner::load_graph(*text, parts));
  WEFT_TRY_VOID(check_tools(graph));
  WEFT_TRY(limit, budget_of(options, graph.budget));
  GraphMachine machine(options.workers);
  WEFT_TRY_VOID(equip(context, *text, parts, machine, graph));
  planner::Resumption resumption;
  resumption.redo.insert(options.redo.begin(), options.redo.end());
  for (const std::string& each : options.given) {
    WEFT_TRY(pair, pair_of(each, "--set"));
    const planner::Type* type = planner::type_at(graph.program.body(), pair.first);
    if (type == nullptr) {
      return Error{ErrorCode::kInvalidArgument, "--set: the graph has no node " + pair.first};
    }
    auto value = value_of(*type, pair.second);
    if (!value) return std::move(value).error().with_context("--set " + pair.first);
    resumption.given.emplace(pair.first, *std::move(value));
  }
  planner::RunOptions run_options{.limit = limit, .stop = context.stop, .trace = trace.get()};
  run_options.timeout = timeout_of(options, graph);
  return run_program(
      context, std::move(run_options), machine, nullptr, [&](const planner::RunOptions& all) {
        return replays ? machine.runtime.replay_any(graph.program, recorded.id, all)
                       : machine.runtime.resume_any(graph.program, recorded.id, resumption, all);
      });
}

}  // namespace

void add_run(CLI::App& app, Parsed& parsed) {
  const auto options = std::make_shared<Options>();
  const auto add_common = [&](CLI::App* verb) {
    add_graph_tools(*verb, *options);
    add_graph_limits(*verb, *options, parsed);
    verb->add_option("--trace", options->trace, "The file of recorded runs [traces/runs.db]")
        ->type_name("FILE");
  };
  const auto add_recorded = [&](const char* name, const char* help, bool replays) {
    auto* verb = app.add_subcommand(name, help);
    verb->add_option("run", options->run, "A run's id, or the beginning of it; see `weft trace`")
        ->required()
        ->type_name("RUN");
    add_common(verb);
    verb->callback([&parsed, options, replays] {
      parsed.action = [options, replays](Context& context) {
        return go_on(context, *options, replays);
      };
    });
    return verb;
  };

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
  add_common(verb);
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_graph(context, *options); };
  });
  auto* resume = add_recorded("resume", "Go on with a recorded run that didn't end", false);
  resume
      ->add_option("--set", options->given,
                   "What is answered at a node, or what a call that nobody saw end has given; a "
                   "text, or JSON for other types; may be repeated")
      ->type_name("PATH=VALUE")
      ->take_all()
      ->allow_extra_args(false);
  resume
      ->add_option("--redo", options->redo,
                   "A node that may be called again although it may have been; may be repeated")
      ->type_name("PATH")
      ->take_all()
      ->allow_extra_args(false);
  add_recorded("replay", "Make a recorded run's values again; nothing is called", true);
}

}  // namespace weft::cli
