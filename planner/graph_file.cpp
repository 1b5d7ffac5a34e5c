// The structure of a graph's file: scopes of names, graphs inside, programs as tools. What each
// kind of code is, graph_file_kinds.cpp knows. Nothing in the file is trusted; the graph that is
// built from it passes the checks of every other one.

#include "planner/graph_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/nearest.h"
#include "planner/graph_file_reader.h"
#include "planner/graph_tuning.h"
#include "tools/json_text.h"
#include "tools/program_tool.h"

namespace weft::planner {
namespace file {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{4} << 20;
constexpr std::size_t kDepthMax = BodyLimits{}.depth_max;

/// Of two times, either of which may be 0 for none.
std::chrono::nanoseconds shorter(std::chrono::nanoseconds a, std::chrono::nanoseconds b) {
  if (a.count() == 0 || b.count() == 0) return std::max(a, b);
  return std::min(a, b);
}

Error in_node(const Json& json, const Error& error) {
  const bool has_name = json.is_object() && json.contains("name") && json["name"].is_string();
  return error.with_context(has_name ? "node " + json["name"].get<std::string>()
                                     : std::string("a node without a name"));
}

}  // namespace

Names with(Names names, const Names& more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

Result<LoadedGraph> Reader::read() {
  WEFT_TRY_VOID(only(json_, {"$schema", "format", "about", "inputs", "tools", "nodes", "result",
                             "budget", "timeout_s", "tune"}));
  WEFT_TRY(format, text(json_, "format"));
  if (format != "weft-graph-1") {
    return wrong("its \"format\" is " + tools::shown(Json(format)) + ", not \"weft-graph-1\"");
  }
  WEFT_TRY(about, text_or(json_, "about", ""));
  WEFT_TRY_VOID(read_tools());
  Graph graph;
  NamesHere names{&graph, nullptr, {}};
  WEFT_TRY_VOID(read_inputs(graph, names));
  WEFT_TRY(result, read_nodes(json_, names, 1));
  WEFT_TRY(body, graph.finish(result.slot, {}));
  GraphBudget limits;
  if (json_.contains("budget")) {
    auto read = budget(json_["budget"]);
    if (!read) return std::move(read).error().with_context("\"budget\"");
    limits = *read;
  }
  WEFT_TRY(timeout_s, number_or(json_, "timeout_s", 0, 0, 1e6));
  const std::chrono::nanoseconds timeout(static_cast<std::int64_t>(timeout_s * 1e9));
  if (json_.contains("tune")) WEFT_TRY_VOID(read_tuning(json_["tune"]));
  return LoadedGraph{AnyProgram(std::move(body)),
                     limits.limit,
                     shorter(timeout, limits.wall_time),
                     std::move(about),
                     uses_model_,
                     uses_retrieval_,
                     std::move(denied_)};
}

Result<void> Reader::define(NamesHere& names, const std::string& name, Slot slot,
                            const Type* type) {
  for (const NamesHere* each = &names; each != nullptr; each = each->around) {
    if (each->here.contains(name)) {
      return wrong("two nodes or inputs are called " + name + ": give one another name");
    }
  }
  names.here[name] = {names.graph, slot, type};
  return {};
}

Result<Reader::Named> Reader::find(const NamesHere& names, const std::string& name,
                                   const Json& later) {
  std::vector<std::string> known;
  for (const NamesHere* each = &names; each != nullptr; each = each->around) {
    const auto found = each->here.find(name);
    if (found != each->here.end()) {
      const Named& value = found->second;
      return Named{names.graph, names.graph->resolve(value.graph, value.slot, value.type),
                   value.type};
    }
    for (const auto& [other, unused] : each->here) known.push_back(other);
  }
  for (const Json& node : later) {
    if (node.is_object() && node.value("name", Json()) == Json(name)) {
      return wrong("its input " + name +
                   " is a node that comes later, or itself: move that node before this one; "
                   "nodes that need each other are a cycle, for which there is \"loop\"");
    }
  }
  std::string hint = did_you_mean(name, known);
  if (hint.empty()) {
    for (const std::string& each : known) hint += (hint.empty() ? "; there is: " : ", ") + each;
  }
  return wrong("its input " + name + " is no input of the graph and no node before it" + hint);
}

Result<Reader::Named> Reader::find_key(const NamesHere& names, const Json& json, const char* key,
                                       const Json& later) {
  WEFT_TRY(name, text(json, key));
  auto found = find(names, name, later);
  if (!found) return std::move(found).error().with_context("\"" + std::string(key) + "\"");
  return found;
}

Result<void> Reader::read_inputs(Graph& graph, NamesHere& names) {
  if (!json_.contains("inputs")) return {};
  WEFT_TRY(inputs, list(json_, "inputs"));
  for (const Json& input : *inputs) {
    const auto read = [&]() -> Result<void> {
      WEFT_TRY_VOID(only(input, {"name", "type", "about"}));
      WEFT_TRY(name, text(input, "name"));
      WEFT_TRY(type_name, text_or(input, "type", "text"));
      WEFT_TRY(type, graph_type(type_name));
      return define(names, name, graph.add_input(name, type), type);
    }();
    if (!read) return read.error().with_context("\"inputs\"");
  }
  return {};
}

Result<void> Reader::read_tools() {
  auto registry = std::make_shared<tools::Registry>(parts_.tools);
  if (json_.contains("tools")) {
    WEFT_TRY(list_of_tools, list(json_, "tools"));
    for (const Json& tool : *list_of_tools) {
      const auto read = [&]() -> Result<void> {
        WEFT_TRY(made, read_tool(tool));
        return registry->add(tools::program_tool(made));
      }();
      if (!read) {
        const bool has_name = tool.is_object() && tool.value("name", Json()).is_string();
        return read.error().with_context(has_name ? "tool " + tool["name"].get<std::string>()
                                                  : std::string("\"tools\""));
      }
    }
  }
  registry_ = std::move(registry);
  return {};
}

Result<tools::ProgramTool> Reader::read_tool(const Json& json) const {
  WEFT_TRY_VOID(only(
      json, {"name", "about", "argv", "arguments", "effect", "timeout_s", "output_bytes_max"}));
  tools::ProgramTool tool;
  WEFT_TRY(name, text(json, "name"));
  WEFT_TRY(about, text_or(json, "about", ""));
  WEFT_TRY(argv, texts_or(json, "argv", {}));
  WEFT_TRY(effect_name, text_or(json, "effect", "exec"));
  WEFT_TRY(effect, tools::effect_class(effect_name));
  WEFT_TRY(timeout, number_or(json, "timeout_s", 30, 0.001, 86'400));
  WEFT_TRY(output, integer_or(json, "output_bytes_max", 1 << 20, 1, 64 << 20));
  if (argv.empty() || argv[0].empty()) {
    return wrong("\"argv\" has to be a list that begins with the program");
  }
  if (json.contains("arguments")) {
    WEFT_TRY(schema, tools::Schema::parse(json["arguments"]));
    tool.arguments = schema;
  }
  tool.name = std::move(name);
  tool.description = std::move(about);
  tool.argv = std::move(argv);
  tool.working_directory = parts_.folder.string();
  tool.effect = effect;
  tool.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout * 1000));
  tool.output_bytes_max = static_cast<std::size_t>(output);
  return tool;
}

Result<Reader::Named> Reader::read_nodes(const Json& json, NamesHere& names, std::size_t depth) {
  if (depth > kDepthMax) return wrong("there are too many graphs inside one another");
  WEFT_TRY(nodes, list(json, "nodes"));
  for (const Json& node : *nodes) {
    const auto read = read_node(node, *nodes, names, depth);
    if (!read) return in_node(node, read.error());
  }
  return find_key(names, json, "result", Json::array());
}

Result<void> Reader::read_node(const Json& json, const Json& nodes, NamesHere& names,
                               std::size_t depth) {
  if (!json.is_object()) return wrong("an object is expected, not " + tools::shown(json));
  WEFT_TRY(name, text(json, "name"));
  WEFT_TRY(kind, text(json, "kind"));
  const Place place{json, nodes, names, name, depth};
  if (kind == "map") return read_map(place);
  if (kind == "tree") return read_tree(place);
  if (kind == "loop") return read_loop(place);
  if (kind == "branch") return read_branch(place);
  if (kind == "scope") return read_scope(place);
  if (kind == "judge") return read_judge(place);
  if (kind == "ask") return read_ask(place);
  if (kind == "plan") return read_plan(place);
  std::vector<std::string> known = {"map",   "tree",  "loop", "branch",
                                    "scope", "judge", "ask",  "plan"};
  for (const CodeKind& each : code_kinds()) {
    if (each.name == kind) return read_code(place, each);
    known.push_back(each.name);
  }
  std::string all;
  for (const std::string& each : known) all += (all.empty() ? "" : ", ") + each;
  const std::string hint = did_you_mean(kind, known);
  return wrong("there is no kind of node \"" + kind + "\"" +
               (hint.empty() ? "; there is: " + all : hint));
}

Result<Reader::Named> Reader::add_code(const Place& place, const std::string& name,
                                       FunctionPtr code, const Policy& policy,
                                       const std::vector<Named>& inputs) {
  if (code->inputs.size() != inputs.size()) {
    return wrong("it takes " + std::to_string(code->inputs.size()) + " inputs, not " +
                 std::to_string(inputs.size()));
  }
  std::vector<Slot> slots;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    slots.push_back(inputs[i].slot);
    if (inputs[i].type == code->inputs[i]) continue;
    const bool shows = code->inputs[i] == type_of<std::string>();
    return wrong("its input " + std::to_string(i + 1) + " is of type " + inputs[i].type->name +
                 ", but " + code->inputs[i]->name + " is needed" +
                 (shows ? ": put a node of kind \"show\" or \"join\" between" : ""));
  }
  const Type* type = code->output;
  const Slot slot = place.graph().add_code(name, std::move(code), policy, std::move(slots));
  WEFT_TRY_VOID(define(place.names, name, slot, type));
  return Named{place.names.graph, slot, type};
}

Result<void> Reader::read_code(const Place& place, const CodeKind& kind) {
  WEFT_TRY_VOID(only(place.json, with(with(kNodeKeys, kind.keys), kPolicyKeys)));
  CodeRequest request{place.json, {}, {}, parts_, registry_};
  if (kind.prompt_key != nullptr) {
    WEFT_TRY(read, read_template(place.json, kind.prompt_key));
    request.prompt = std::move(read);
  }
  WEFT_TRY(inputs, read_inputs_of(place, request));
  WEFT_TRY(made, make_code(kind, request));
  WEFT_TRY_VOID(read_policy(place.json, made.policy));
  uses_model_ = uses_model_ || kind.name == "llm" || kind.name == "score";
  uses_retrieval_ = uses_retrieval_ || kind.name == "retrieve";
  if (kind.name == "tool") note_tool(place.json["tool"]);
  WEFT_TRY_VOID(add_code(place, place.name, made.code, made.policy, inputs));
  return {};
}

Result<MadeCode> Reader::make_code(const CodeKind& kind, const CodeRequest& request) {
  WEFT_TRY(made, kind.make(request));
  if (!made.code->fingerprint.empty()) return made;
  // Its options are all that isn't in the program's own text.
  Json options = Json::object();
  for (const std::string& key : kind.keys) {
    if (request.json.contains(key)) options[key] = request.json[key];
  }
  auto known = std::make_shared<Function>(*made.code);
  known->fingerprint =
      kind.name + ' ' + options.dump(-1, ' ', false, Json::error_handler_t::replace);
  made.code = std::move(known);
  return made;
}

void Reader::note_tool(const std::string& tool) {
  const bool is_denied = registry_->find(tool) && !registry_->find_allowed(tool);
  if (is_denied && !std::ranges::count(denied_, tool)) denied_.push_back(tool);
}

Result<PromptTemplate> Reader::read_template(const Json& json, const std::string& key) const {
  const std::string file_key = key + "_file";
  if (json.contains(key) == json.contains(file_key)) {
    return wrong("give either \"" + key + "\" or \"" + file_key + "\"");
  }
  if (json.contains(key)) {
    WEFT_TRY(source, text(json, key.c_str()));
    return PromptTemplate::parse(source);
  }
  WEFT_TRY(path, text(json, file_key.c_str()));
  return PromptTemplate::load(parts_.folder / path);
}

Result<Reader::Pairs> Reader::read_pairs(const Json& json) {
  Pairs pairs;
  const Json given = json.value("inputs", Json::array());
  if (given.is_object()) {
    for (const auto& [own, value] : given.items()) {
      if (!value.is_string()) return wrong("\"inputs\": " + own + " has to be a value's name");
      pairs.emplace_back(own, value.get<std::string>());
    }
  } else {
    WEFT_TRY(names, texts_or(json, "inputs", {}));
    for (const std::string& each : names) pairs.emplace_back(each, each);
  }
  return pairs;
}

Result<std::vector<Reader::Named>> Reader::read_inputs_of(const Place& place,
                                                          CodeRequest& request) {
  const Json& json = place.json;
  WEFT_TRY(pairs, read_pairs(json));
  if (request.prompt) {
    WEFT_TRY(ordered, in_order(request.prompt->names(), pairs));
    pairs = std::move(ordered);
  } else if (json.value("inputs", Json()).is_object() && json["kind"] != "tool") {
    return wrong("its inputs have no names: \"inputs\" has to be a list");
  }
  std::vector<Named> inputs;
  for (const auto& [own, value] : pairs) {
    WEFT_TRY(found, find(place.names, value, place.nodes));
    request.inputs.push_back({own, found.type});
    inputs.push_back(found);
  }
  return inputs;
}

Result<Reader::Pairs> Reader::in_order(const Names& places, const Pairs& given) {
  for (const auto& [own, value] : given) {
    if (std::find(places.begin(), places.end(), own) == places.end()) {
      return wrong("its template has no place {{" + own + "}}" + did_you_mean(own, places));
    }
  }
  Pairs pairs;
  for (const std::string& own : places) {
    const auto found = std::find_if(given.begin(), given.end(),
                                    [&](const auto& pair) { return pair.first == own; });
    pairs.emplace_back(own, found == given.end() ? own : found->second);
  }
  return pairs;
}

}  // namespace file

Result<LoadedGraph> load_graph(std::string_view json, const GraphParts& parts) {
  if (json.size() > file::kFileBytesMax) {
    return Error{ErrorCode::kInvalidArgument, "a graph's file has at most 4 MiB"};
  }
  WEFT_TRY(parsed, tools::parse_json(json));
  return file::Reader(parts, parsed).read();
}

Result<GraphBudget> graph_budget(const nlohmann::json& json) { return file::budget(json); }

}  // namespace weft::planner
