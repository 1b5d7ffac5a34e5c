#include "cli/graph_run.h"

#include <nlohmann/json.hpp>

#include "cli/text.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

void report(Context& context, const Json& result, const planner::AnyRun& ended,
            const GraphProgress& progress, const GraphMachine& machine, const Json& more) {
  Console& console = context.console;
  const planner::Report run = ended.report();
  const double seconds = std::chrono::duration<double>(run.duration).count();
  if (console.json_result()) {
    Json usage = spend_json(run.spent);
    usage["seconds"] = seconds;
    Json json = {{"result", result}, {"usage", std::move(usage)}, {"nodes", progress.json()}};
    if (!machine.model_name().empty()) json["model"] = machine.model_name();
    if (!ended.id().empty()) json["run"] = ended.id();
    json.update(more);
    console.print_json(json);
    return;
  }
  console.print(result.is_string() ? result.get<std::string>() + "\n" : json_line(result));
  if (console.err_is_terminal()) {
    console.note(std::to_string(run.nodes) + " nodes in " + human_duration(seconds) + ", " +
                 tokens_text(run.spent));
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
ExitCode report_questions(Console& console, const planner::AnyRun& run, const Json& more) {
  if (!console.json_result()) {
    tell_how_to_go_on(console, run);
    return ExitCode::kPartial;
  }
  Json questions = Json::array();
  for (const planner::Question& question : run.questions()) {
    questions.push_back(
        {{"path", question.path}, {"type", question.type->name}, {"text", question.text}});
  }
  Json json = {{"run", run.id()}, {"status", "suspended"}, {"questions", std::move(questions)}};
  json.update(more);
  console.print_json(json);
  return ExitCode::kPartial;
}

/// A value that changed nothing is more likely a mistake than a wish.
void warn_of_unused(Console& console, const planner::AnyRun& run, bool forks) {
  for (const std::string& path : run.report().unused) {
    console.warn("the run " + run.id() + " never asked for " + printable(path) +
                 ", so what was "
                 "said of it changed nothing: " +
                 (forks ? "see its paths with `weft trace show " + run.id() + "`"
                        : "a value that is recorded is changed in a fork, with `weft fork`"));
  }
}

}  // namespace

Result<ExitCode> run_and_report(Context& context, const GraphMachine& machine, GraphRun what) {
  Console& console = context.console;
  GraphProgress progress(console, console.err_is_terminal());
  what.options.on_event = [&](const planner::Event& event) {
    progress.on_event(event);
    if (what.watched != nullptr) what.watched->see(event);
  };
  Result<planner::AnyRun> run = what.start(what.options);
  if (!run) return std::move(run).error();
  const bool forks = !what.parent.empty();
  if (forks) console.note("run " + run->id() + " is a fork of " + what.parent);
  auto value = run->wait_value();
  warn_of_unused(console, *run, forks);
  const bool is_suspended = !value && value.error().code == ErrorCode::kSuspended;
  Json more = Json::object();
  if (what.watched != nullptr) {
    more = what.watched->end(*run, {.value = value ? &*value : nullptr,
                                    .is_suspended = is_suspended,
                                    .trace = what.options.trace});
  }
  if (forks) more["parent"] = what.parent;
  if (is_suspended) return report_questions(console, *run, more);
  if (!value) {
    if (!run->id().empty()) tell_how_to_go_on(console, *run);
    return std::move(value).error();
  }
  report(context, Json(planner::to_json(*value)), *run, progress, machine, more);
  return ExitCode::kDone;
}

}  // namespace weft::cli
