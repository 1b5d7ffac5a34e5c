#include "cli/graph_inputs.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/nearest.h"
#include "cli/text_input.h"
#include "tools/json_text.h"

namespace weft::cli {
namespace {

constexpr std::size_t kInputBytesMax = 64 << 20;

}  // namespace

void add_graph_inputs(CLI::App& verb, GraphOptions& options) {
  verb.add_option(
          "-i,--input", options.inputs,
          "An input's value: a text, or JSON for other types; NAME=@FILE reads it, NAME=@@... "
          "begins with @; may be repeated")
      ->type_name("NAME=VALUE")
      ->take_all()
      ->allow_extra_args(false);
}

void add_graph_tools(CLI::App& verb, GraphOptions& options) {
  verb.add_option("--allow-tool", options.allowed_tools,
                  "Let the graph run its tool of this name; may be repeated")
      ->type_name("NAME")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_flag("--allow-tools", options.allows_tools, "Let the graph run all its tools");
}

void add_graph_limits(CLI::App& verb, GraphOptions& options, Parsed& parsed) {
  verb.add_option("--budget", options.budget,
                  "Most it may spend: prompt_tokens=N, output_tokens=N, calls=N, money_micros=N or "
                  "wall_time_s=N, in place of the file's; may be repeated")
      ->type_name("UNIT=N")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_option("--timeout", options.timeout_s, "Seconds that it may take; 0 is no limit")
      ->type_name("S")
      ->check(CLI::Range(0.0, 1e6));
  constexpr std::size_t kWorkersMax = 256;
  verb.add_option("--workers", options.workers,
                  "Threads for plain code, and as many for tools and searches [2 and 4]")
      ->type_name("N")
      ->check(CLI::Range(std::size_t{1}, kWorkersMax));
  add_setting(verb, parsed, "-m,--model", "model.name");
  add_setting(verb, parsed, "-c,--collection", "retrieval.collection");
  add_setting(verb, parsed, "--threads", "engine.threads");
  add_setting(verb, parsed, "--kv", "engine.kv");
  add_setting(verb, parsed, "--draft", "engine.draft");
  add_setting(verb, parsed, "--context", "engine.context");
  add_setting(verb, parsed, "--think-tokens", "answer.think_tokens");
}

Result<std::pair<std::string, std::string>> pair_of(const std::string& text, const char* flag) {
  const auto at = text.find('=');
  if (at != std::string::npos && at > 0) return std::pair(text.substr(0, at), text.substr(at + 1));
  return Error{ErrorCode::kInvalidArgument,
               std::string(flag) + " " + text + ": NAME=VALUE is expected"};
}

Result<planner::Value> value_of(const planner::Type& type, const std::string& text) {
  if (type.name == "text") return planner::make_value(text);
  WEFT_TRY(json, tools::parse_json(text));
  return planner::from_json(type, json);
}

Result<planner::Inputs> given_inputs(const Context& context, const GraphOptions& options,
                                     const planner::Body& body) {
  planner::Inputs inputs;
  std::vector<std::string> known;
  for (const planner::Input& input : body.inputs) known.push_back(input.name);
  for (const std::string& each : options.inputs) {
    WEFT_TRY(pair, pair_of(each, "--input"));
    auto& [name, text] = pair;
    const auto input = std::ranges::find(body.inputs, name, &planner::Input::name);
    if (input == body.inputs.end()) {
      return Error{ErrorCode::kInvalidArgument,
                   "--input: the graph has no input " + name + did_you_mean(name, known)};
    }
    if (text.starts_with("@@")) {
      text.erase(0, 1);
    } else if (text.starts_with("@")) {
      WEFT_TRY(read, read_input(context, text.substr(1), kInputBytesMax));
      text = std::move(read);
    }
    auto value = value_of(*input->type, text);
    if (!value) return std::move(value).error().with_context("--input " + name);
    inputs.set_value(name, *std::move(value));
  }
  return inputs;
}

Result<planner::Inputs> inputs_of(const Context& context, const GraphOptions& options,
                                  const planner::Body& body) {
  WEFT_TRY(inputs, given_inputs(context, options, body));
  for (const planner::Input& input : body.inputs) {
    if (inputs.values().contains(input.name)) continue;
    return Error{ErrorCode::kInvalidArgument, "the graph needs the input " + input.name + " (" +
                                                  input.type->name + "): give it with --input " +
                                                  input.name + "=VALUE or " + input.name +
                                                  "=@FILE"};
  }
  return inputs;
}

Result<planner::GraphBudget> budget_of(const GraphOptions& options,
                                       const planner::LoadedGraph& graph) {
  nlohmann::json json = nlohmann::json::object();
  for (const std::string& each : options.budget) {
    WEFT_TRY(pair, pair_of(each, "--budget"));
    const auto number = nlohmann::json::parse(pair.second, nullptr, false);
    json[pair.first] = number.is_discarded() ? nlohmann::json(pair.second) : number;
  }
  auto budget = planner::graph_budget(json);
  if (!budget) return std::move(budget).error().with_context("--budget");
  SpendLimit& limit = budget->limit;
  if (!limit.prompt_tokens) limit.prompt_tokens = graph.budget.prompt_tokens;
  if (!limit.output_tokens) limit.output_tokens = graph.budget.output_tokens;
  if (!limit.calls) limit.calls = graph.budget.calls;
  if (!limit.money_micros) limit.money_micros = graph.budget.money_micros;
  if (options.timeout_s > 0) {
    budget->wall_time =
        std::chrono::nanoseconds(static_cast<std::int64_t>(options.timeout_s * 1e9));
  } else if (budget->wall_time.count() == 0) {
    budget->wall_time = graph.timeout;
  }
  return budget;
}

planner::GraphParts parts_of(const GraphOptions& options) {
  planner::GraphParts parts;
  parts.tools.allows_all = options.allows_tools;
  parts.tools.names.insert(options.allowed_tools.begin(), options.allowed_tools.end());
  return parts;
}

Result<void> check_tools(const planner::LoadedGraph& graph) {
  if (graph.denied_tools.empty()) return {};
  std::string flags;
  for (const std::string& tool : graph.denied_tools) flags += " --allow-tool " + tool;
  return Error{ErrorCode::kPermissionDenied,
               "the graph runs programs of this machine that aren't allowed; see \"tools\" in the "
               "file, and allow them with" +
                   flags};
}

}  // namespace weft::cli
