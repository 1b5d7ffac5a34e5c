// `weft trace`: recorded runs: which there are, what happened in them, for people and collectors.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/net/curl_http_client.h"
#include "cli/graph_progress.h"
#include "cli/text.h"
#include "cli/traces.h"
#include "cli/verbs.h"
#include "cli/watched_run.h"
#include "cli/whole_number.h"
#include "planner/otlp.h"
#include "planner/picture.h"
#include "planner/program.h"
#include "planner/run_captions.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;
using planner::Trace;
using planner::TraceEvent;
using planner::TraceRun;

struct Options {
  std::string file;
  std::string run;
  bool values = false;
  bool mermaid = false;
  bool dot = false;
  std::size_t count = 20;
  std::string target;
  std::string endpoint;
  double days = 30;
  bool suspended_too = false;
  std::string document;
};

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

Json run_json(const TraceRun& run) {
  return {{"id", run.id},
          {"status", to_string(run.status)},
          {"started", to_rfc3339(run.started)},
          {"duration_s", seconds(run.duration)},
          {"nodes", run.nodes},
          {"usage", spend_json(run.spent)},
          {"program", run.program_hash},
          {"parent", run.parent},
          {"error", run.error},
          {"redacted", run.is_redacted}};
}

std::string run_line(const Console& console, const TraceRun& run) {
  std::string line = console.bold(run.id) + "  " + std::string(to_string(run.status));
  line += "  " + human_duration(seconds(run.duration)) + "  " + std::to_string(run.nodes) +
          " nodes  " + tokens_text(run.spent);
  if (!run.parent.empty()) line += "  " + console.dim("fork of " + run.parent);
  if (run.is_redacted) line += "  redacted";
  if (!run.error.empty()) line += "\n  " + console.dim(one_line(printable(run.error), 160));
  return line + "\n";
}

Result<ExitCode> list(Context& context, const Options& options) {
  WEFT_TRY(trace, open_trace(context, options.file, {.create = false}));
  WEFT_TRY(runs, trace->runs(options.count));
  Console& console = context.console;
  if (console.json_result()) {
    Json json = Json::array();
    for (const TraceRun& run : runs) json.push_back(run_json(run));
    console.print_json({{"runs", std::move(json)}});
    return ExitCode::kDone;
  }
  if (runs.empty()) console.note("no run is recorded");
  std::string text;
  for (const TraceRun& run : runs) text += run_line(console, run);
  console.print(text);
  return ExitCode::kDone;
}

/// The JSON of an event's value; null where it has none.
Result<Json> value_json(Trace& trace, const std::string& run, const TraceEvent& event) {
  if (event.digest == Digest{}) return Json();
  WEFT_TRY(bytes, trace.value(run, event.seq));
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return Json::from_cbor(first, first + bytes.size(), true, /*allow_exceptions=*/false);
}

/// What was forecast for a run beside what it did, where that was recorded.
Result<std::optional<planner::Comparison>> comparison_of(Trace& trace, const std::string& run) {
  WEFT_TRY(text, trace.note(run, kComparisonNote));
  if (!text) return std::optional<planner::Comparison>();
  WEFT_TRY(comparison, planner::Comparison::from_json(*text));
  return std::optional<planner::Comparison>(comparison);
}

/// The run's graph with what each node did. It is drawn from what the trace itself keeps, so that
/// redacted runs and those of other programs have a picture too.
Result<ExitCode> show_picture(Console& console, const Options& options, Trace& trace,
                              const TraceRun& run, const std::vector<TraceEvent>& events) {
  WEFT_TRY(program, trace.program(run.id));
  WEFT_TRY(body, planner::sketch_program(program));
  const planner::Captions captions = planner::run_captions(events);
  const std::string picture =
      options.mermaid ? planner::mermaid(*body, captions) : planner::dot(*body, captions);
  if (console.json_result()) {
    Json json = run_json(run);
    json[options.mermaid ? "mermaid" : "dot"] = picture;
    console.print_json(json);
  } else {
    console.print(picture);
  }
  return ExitCode::kDone;
}

Result<ExitCode> show(Context& context, const Options& options) {
  WEFT_TRY(trace, open_trace(context, options.file, {.create = false}));
  WEFT_TRY(run, trace->run(options.run));
  WEFT_TRY(events, trace->events(run.id));
  Console& console = context.console;
  if (options.mermaid || options.dot) return show_picture(console, options, *trace, run, events);
  Json list = Json::array();
  std::string text = run_line(console, run);
  for (const TraceEvent& event : events) {
    Json value;
    if (options.values && !run.is_redacted) {
      WEFT_TRY(read, value_json(*trace, run.id, event));
      value = std::move(read);
    }
    if (console.json_result()) {
      Json entry = {{"seq", event.seq},
                    {"kind", to_string(event.kind)},
                    {"path", event.path},
                    {"label", event.label},
                    {"attempt", event.attempt},
                    {"begin_s", seconds(event.begin)},
                    {"end_s", seconds(event.end)},
                    {"usage", spend_json(event.spent)},
                    {"key", to_hex(event.key)},
                    {"digest", to_hex(event.digest)}};
      if (event.code)
        entry["error"] = {{"code", to_string(*event.code)}, {"message", event.message}};
      if (!value.is_null()) entry["value"] = std::move(value);
      list.push_back(std::move(entry));
      continue;
    }
    std::string line = fixed(seconds(event.begin), 3) + " s  " + std::string(to_string(event.kind));
    line += "  " + printable(event.path);
    if (event.attempt > 1) line += " (attempt " + std::to_string(event.attempt) + ")";
    if (event.end > event.begin) line += "  " + human_duration(seconds(event.end - event.begin));
    if (event.spent.prompt_tokens + event.spent.output_tokens > 0) {
      line += "  " + tokens_text(event.spent);
    }
    if (!event.label.empty()) line += "  " + console.dim(printable(event.label));
    if (!event.message.empty()) line += "\n    " + one_line(printable(event.message), 160);
    if (!value.is_null()) line += "\n    " + printable(one_line(json_line(value), 400));
    text += line + "\n";
  }
  WEFT_TRY(compared, comparison_of(*trace, run.id));
  if (console.json_result()) {
    Json json = run_json(run);
    json["events"] = std::move(list);
    WEFT_TRY(predicted, trace->note(run.id, kForecastNote));
    if (predicted) json["forecast"] = Json::parse(*predicted, nullptr, false);
    if (compared) json["comparison"] = Json::parse(compared->json());
    console.print_json(json);
  } else {
    if (compared) text += comparison_text(*compared);
    console.print(text);
  }
  return ExitCode::kDone;
}

/// "host:port" of a URL, as an address policy lists it: the user has named it.
std::string host_of(const std::string& url) {
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  return url.substr(begin, url.find('/', begin) - begin);
}

Result<void> send(const Context& context, const std::string& endpoint, const std::string& body) {
  const SystemClock clock;
  WEFT_TRY(policy, net::AddressPolicy::open(std::vector<std::string>{host_of(endpoint)}));
  WEFT_TRY(client, net::CurlHttpClient::open(clock, {.policy = std::move(policy)}));
  net::HttpRequest request;
  request.method = "POST";
  request.url = endpoint;
  request.headers = {{"Content-Type", "application/json"}};
  request.body = body;
  request.stop = context.stop;
  WEFT_TRY(response, client->send(request));
  if (response.ok()) return {};
  return Error{ErrorCode::kNetwork, "the collector at " + endpoint + " answered " +
                                        std::to_string(response.status) + ": " +
                                        one_line(printable(response.body), 200)};
}

Result<ExitCode> export_run(Context& context, const Options& options) {
  WEFT_TRY(trace, open_trace(context, options.file, {.create = false}));
  WEFT_TRY(run, trace->run(options.run));
  WEFT_TRY(events, trace->events(run.id));
  const std::string body = planner::otlp_json(run, events);
  if (!options.endpoint.empty()) {
    WEFT_TRY_VOID(send(context, options.endpoint, body));
    context.console.note("sent " + std::to_string(events.size() + 1) + " spans of run " + run.id);
  } else if (!options.target.empty()) {
    WEFT_TRY_VOID(write_file_atomically(options.target, body + "\n"));
  } else {
    context.console.print(body + "\n");
  }
  return ExitCode::kDone;
}

Result<ExitCode> collect_garbage(Context& context, const Options& options) {
  WEFT_TRY(trace, open_trace(context, options.file, {.create = false}));
  const std::chrono::duration<double, std::ratio<86400>> age(options.days);
  const SystemClock clock;
  const UnixTime before = clock.unix_now() - std::chrono::duration_cast<UnixTime::duration>(age);
  WEFT_TRY(removed, trace->collect_garbage(before, options.suspended_too));
  if (context.console.json_result()) {
    context.console.print_json({{"removed", removed}});
  } else {
    context.console.print(std::to_string(removed) + " runs removed\n");
  }
  return ExitCode::kDone;
}

Result<ExitCode> forget(Context& context, const Options& options) {
  WEFT_TRY(trace, open_trace(context, options.file, {.create = false}));
  WEFT_TRY(redacted, trace->forget(options.document));
  if (context.console.json_result()) {
    context.console.print_json({{"document", options.document}, {"redacted", redacted}});
  } else {
    context.console.print(std::to_string(redacted) + " runs that used " + options.document +
                          " lost their values\n");
  }
  return ExitCode::kDone;
}

}  // namespace

void add_trace(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand("trace", "Show, export and clear recorded runs");
  verb->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  const auto add = [&](const char* name, const char* help,
                       Result<ExitCode> (*action)(Context&, const Options&)) {
    auto* sub = verb->add_subcommand(name, help);
    add_trace_file(*sub, options->file);
    sub->callback([&parsed, options, action] {
      parsed.action = [options, action](Context& context) { return action(context, *options); };
    });
    return sub;
  };
  const auto add_run = [&](CLI::App* sub) {
    sub->add_option("run", options->run, "A run's id, or the beginning of it")
        ->required()
        ->type_name("RUN");
  };
  add("list", "Which runs there are, newest first", list)
      ->add_option("-n,--count", options->count, "At most so many [20]")
      ->type_name("N")
      ->check(whole_number);
  auto* show_verb = add("show", "What happened in a run", show);
  add_run(show_verb);
  show_verb->add_flag("--values", options->values, "Also what each node gave");
  auto* mermaid = show_verb->add_flag("--mermaid", options->mermaid,
                                      "Its graph as a Mermaid flowchart, with what each node did");
  show_verb->add_flag("--dot", options->dot, "The same as a Graphviz digraph")->excludes(mermaid);
  auto* export_verb = add("export", "A run as OpenTelemetry spans (OTLP/JSON)", export_run);
  add_run(export_verb);
  export_verb->add_option("-o,--output", options->target, "Write to a file")->type_name("FILE");
  export_verb
      ->add_option("--otlp", options->endpoint,
                   "Send to a collector, such as http://localhost:4318/v1/traces")
      ->type_name("URL");
  auto* gc_verb = add("gc", "Delete old runs", collect_garbage);
  gc_verb->add_option("--days", options->days, "That ended longer ago than so many days [30]")
      ->type_name("N")
      ->check(CLI::NonNegativeNumber);
  gc_verb->add_flag("--suspended", options->suspended_too, "Also those that wait for an answer");
  add("forget", "Destroy the values of runs that used a document", forget)
      ->add_option("document", options->document, "A source as `search` names it")
      ->required()
      ->type_name("SOURCE");
}

}  // namespace weft::cli
