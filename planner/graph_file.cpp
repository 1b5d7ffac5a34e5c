// The structure of a graph's file: scopes of names, graphs inside, programs as tools. What each
// kind of code is, graph_file_kinds.cpp knows. Nothing in the file is trusted; the graph that is
// built from it passes the checks of every other one.

#include "planner/graph_file.h"

#include <algorithm>
#include <map>

#include "base/nearest.h"
#include "planner/graph.h"
#include "planner/graph_file_kinds.h"
#include "planner/patterns/tree.h"
#include "tools/json_text.h"
#include "tools/program_tool.h"

namespace weft::planner {
namespace file {
namespace {

constexpr std::size_t kFileBytesMax = std::size_t{4} << 20;
constexpr std::size_t kDepthMax = BodyLimits{}.depth_max;
constexpr std::int64_t kIterationsMax = 10'000;
constexpr std::int64_t kFanInMax = 1000;

const Names kNodeKeys = {"name", "kind", "inputs", "about"};

Names with(Names names, const Names& more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

/// `as` NAME, in messages and as a place's beginning.
Error in_node(const Json& json, const Error& error) {
  const bool has_name = json.is_object() && json.contains("name") && json["name"].is_string();
  return error.with_context(has_name ? "node " + json["name"].get<std::string>()
                                     : std::string("a node without a name"));
}

}  // namespace

class Reader {
 public:
  Reader(const GraphParts& parts, const Json& json) : parts_(parts), json_(json) {}

  Result<LoadedGraph> read() {
    WEFT_TRY_VOID(only(json_, {"$schema", "format", "about", "inputs", "tools", "nodes", "result",
                               "budget", "timeout_s"}));
    WEFT_TRY(format, text(json_, "format"));
    if (format != "weft-graph-1") {
      return wrong("its \"format\" is " + tools::shown(Json(format)) + ", not \"weft-graph-1\"");
    }
    WEFT_TRY(about, text_or(json_, "about", ""));
    WEFT_TRY_VOID(read_tools());
    Graph graph;
    Names_ names{&graph, nullptr, {}};
    WEFT_TRY_VOID(read_inputs(graph, names));
    WEFT_TRY(result, read_nodes(json_, names, 1));
    WEFT_TRY(body, graph.finish(result.slot, {}));
    SpendLimit limit;
    if (json_.contains("budget")) {
      auto read = budget(json_["budget"]);
      if (!read) return std::move(read).error().with_context("\"budget\"");
      limit = *read;
    }
    WEFT_TRY(timeout, number_or(json_, "timeout_s", 0, 0, 1e6));
    return LoadedGraph{AnyProgram(std::move(body)),
                       limit,
                       std::chrono::nanoseconds(static_cast<std::int64_t>(timeout * 1e9)),
                       std::move(about),
                       uses_model_,
                       uses_retrieval_,
                       std::move(denied_)};
  }

 private:
  struct Named {
    const Graph* graph = nullptr;
    Slot slot = 0;
    const Type* type = nullptr;
  };
  /// The values that can be named in one graph; those around it too.
  struct Names_ {
    Graph* graph;
    const Names_* around;
    std::map<std::string, Named, std::less<>> here;
  };

  // ---- names ----

  static Result<void> define(Names_& names, const std::string& name, Slot slot, const Type* type) {
    for (const Names_* each = &names; each != nullptr; each = each->around) {
      if (each->here.contains(name)) {
        return wrong("two nodes or inputs are called " + name + ": give one another name");
      }
    }
    names.here[name] = {names.graph, slot, type};
    return {};
  }

  /// Where a value is in the graph of `names`; `later` are the nodes of the list that is read.
  static Result<Named> find(const Names_& names, const std::string& name, const Json& later) {
    std::vector<std::string> known;
    for (const Names_* each = &names; each != nullptr; each = each->around) {
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

  static Result<Named> find_key(const Names_& names, const Json& json, const char* key,
                                const Json& later) {
    WEFT_TRY(name, text(json, key));
    auto found = find(names, name, later);
    if (!found) return std::move(found).error().with_context("\"" + std::string(key) + "\"");
    return found;
  }

  // ---- the graph's inputs and tools ----

  Result<void> read_inputs(Graph& graph, Names_& names) {
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

  Result<void> read_tools() {
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

  Result<tools::ProgramTool> read_tool(const Json& json) const {
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

  // ---- nodes ----

  /// The list "nodes" of `json`, and the value that its "result" names.
  Result<Named> read_nodes(const Json& json, Names_& names, std::size_t depth) {
    if (depth > kDepthMax) return wrong("there are too many graphs inside one another");
    WEFT_TRY(nodes, list(json, "nodes"));
    for (const Json& node : *nodes) {
      const auto read = read_node(node, *nodes, names, depth);
      if (!read) return in_node(node, read.error());
    }
    return find_key(names, json, "result", Json::array());
  }

  Result<void> read_node(const Json& json, const Json& nodes, Names_& names, std::size_t depth) {
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
    std::vector<std::string> known = {"map", "tree", "loop", "branch", "scope", "judge"};
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

  struct Place {
    const Json& json;
    const Json& nodes;  // of the list that it is in
    Names_& names;
    const std::string& name;
    std::size_t depth;

    Graph& graph() const { return *names.graph; }
  };

  /// Adds code under `name`, on values that are there, and lets it be named.
  static Result<Named> add_code(const Place& place, const std::string& name, FunctionPtr code,
                                const Policy& policy, const std::vector<Named>& inputs) {
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

  Result<void> read_code(const Place& place, const CodeKind& kind) {
    WEFT_TRY_VOID(only(place.json, with(with(kNodeKeys, kind.keys), kPolicyKeys)));
    CodeRequest request{place.json, {}, {}, parts_, registry_};
    if (kind.prompt_key != nullptr) {
      WEFT_TRY(read, read_template(place.json, kind.prompt_key));
      request.prompt = std::move(read);
    }
    WEFT_TRY(inputs, read_inputs_of(place, request));
    WEFT_TRY(made, kind.make(request));
    if (made.code->fingerprint.empty()) {
      // Its options are all that isn't in the program's own text.
      Json options = Json::object();
      for (const std::string& key : kind.keys) {
        if (place.json.contains(key)) options[key] = place.json[key];
      }
      auto known = std::make_shared<Function>(*made.code);
      known->fingerprint =
          kind.name + ' ' + options.dump(-1, ' ', false, Json::error_handler_t::replace);
      made.code = std::move(known);
    }
    WEFT_TRY_VOID(read_policy(place.json, made.policy));
    uses_model_ = uses_model_ || kind.name == "llm" || kind.name == "score";
    uses_retrieval_ = uses_retrieval_ || kind.name == "retrieve";
    if (kind.name == "tool") {
      const std::string tool = place.json["tool"];
      if (!registry_->find_allowed(tool) &&
          std::find(denied_.begin(), denied_.end(), tool) == denied_.end()) {
        denied_.push_back(tool);
      }
    }
    WEFT_TRY_VOID(add_code(place, place.name, made.code, made.policy, inputs));
    return {};
  }

  Result<PromptTemplate> read_template(const Json& json, const std::string& key) const {
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

  /// "inputs" is a list of values or, where the node names its inputs, an object of such. A
  /// template's places that it doesn't mention read the values of their own names.
  static Result<std::vector<Named>> read_inputs_of(const Place& place, CodeRequest& request) {
    const Json& json = place.json;
    std::vector<std::pair<std::string, std::string>> pairs;  // what it calls it, what it reads
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
    if (request.prompt) {
      WEFT_TRY(ordered, in_order(request.prompt->names(), pairs));
      pairs = std::move(ordered);
    } else if (given.is_object() && json["kind"] != "tool") {
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

  using Pairs = std::vector<std::pair<std::string, std::string>>;
  static Result<Pairs> in_order(const Names& places, const Pairs& given) {
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

  // ---- graphs inside ----

  /// Reads a graph inside `node` whose first own value, if it has one, is called `as`; returns its
  /// result's type. `more` is told of the inside before it is closed.
  Result<const Type*> read_inside(const Place& place, Node& node, const std::string& inner_name,
                                  const Json& json, const std::string& as, const Type* own) {
    Graph inside(&place.graph(), inner_name);
    Names_ names{&inside, &place.names, {}};
    if (own != nullptr) WEFT_TRY_VOID(define(names, as, inside.add_input(as, own), own));
    WEFT_TRY(result, read_nodes(json, names, place.depth + 1));
    if (json.contains("until")) {
      WEFT_TRY(until, find_key(names, json, "until", Json::array()));
      if (until.type != type_of<bool>()) {
        return wrong("\"until\" has to be a bool, not of type " + until.type->name);
      }
      inside.until_ = until.slot;
    }
    inside.finish_into(node, result.slot, own != nullptr ? 1 : 0);
    if (place.graph().mistake_) return *place.graph().mistake_;
    return result.type;
  }

  Result<void> close(const Place& place, const std::string& name, Node node, const Type* type) {
    const Slot slot = place.graph().add(std::move(node), type);
    return define(place.names, name, slot, type);
  }

  Result<void> read_map(const Place& place) {
    const Json& json = place.json;
    WEFT_TRY_VOID(
        only(json, {"name", "kind", "about", "over", "as", "nodes", "result", "on_error"}));
    WEFT_TRY(over, find_key(place.names, json, "over", place.nodes));
    WEFT_TRY(as, text(json, "as"));
    WEFT_TRY(on_error, text_or(json, "on_error", "fail"));
    if (on_error != "fail" && on_error != "skip") return wrong("\"on_error\" is fail or skip");
    if (over.type->kind != Type::Kind::kList) {
      return wrong("\"over\" has to be a list, not of type " + over.type->name);
    }
    const bool skips = on_error == "skip";
    const std::string name = skips ? place.name + " parts" : place.name;
    Node node = Graph::open(name, skips ? NodeKind::kCollect : NodeKind::kMap, {over.slot});
    WEFT_TRY(element, read_inside(place, node, name, json, as, over.type->element));
    WEFT_TRY(list, list_of(element));
    if (!skips) return close(place, name, std::move(node), list);
    WEFT_TRY(partial, partial_of(element));
    WEFT_TRY_VOID(close(place, name, std::move(node), partial));
    const Named parts = place.names.here.at(name);
    WEFT_TRY_VOID(add_code(place, place.name, values_function(partial, list), {}, {parts}));
    return {};
  }

  /// Level by level: the texts in groups, one graph a group, until one text is left.
  Result<void> read_tree(const Place& place) {
    const Json& json = place.json;
    WEFT_TRY_VOID(only(
        json, {"name", "kind", "about", "over", "as", "nodes", "result", "fan_in", "separator"}));
    WEFT_TRY(over, find_key(place.names, json, "over", place.nodes));
    WEFT_TRY(as, text(json, "as"));
    WEFT_TRY(fan_in, integer_or(json, "fan_in", 4, 2, kFanInMax));
    WEFT_TRY(separator, text_or(json, "separator", "\n\n"));
    using Texts = std::vector<std::string>;
    if (over.type != type_of<Texts>()) {
      return wrong("\"over\" has to be of type list<text>, not " + over.type->name);
    }
    const std::string levels = place.name + " levels";
    Node loop = Graph::open(levels, NodeKind::kLoop, {over.slot});
    loop.iterations_max = kTreeLevelsMax;
    {
      Graph inside(&place.graph(), levels);
      Names_ names{&inside, &place.names, {}};
      const Slot texts = inside.add_input("texts", type_of<Texts>());
      const TreeOptions options{static_cast<std::size_t>(fan_in), separator};
      const Slot groups = inside.add_code("groups", group_function(options), {}, {texts});
      Node map = Graph::open("level", NodeKind::kMap, {groups});
      const Place inner{json, place.nodes, names, place.name, place.depth + 1};
      WEFT_TRY(element, read_inside(inner, map, "level", json, as, type_of<std::string>()));
      if (element != type_of<std::string>()) {
        return wrong("\"result\" has to be a text, not of type " + element->name);
      }
      const Slot level = inside.add(std::move(map), type_of<Texts>());
      inside.until_ = inside.add_code("is one", is_one_function(), {}, {level});
      inside.finish_into(loop, level, 1);
      if (place.graph().mistake_) return *place.graph().mistake_;
    }
    WEFT_TRY_VOID(close(place, levels, std::move(loop), type_of<Texts>()));
    WEFT_TRY_VOID(
        add_code(place, place.name, only_text_function(), {}, {place.names.here.at(levels)}));
    return {};
  }

  Result<void> read_loop(const Place& place) {
    const Json& json = place.json;
    WEFT_TRY_VOID(only(json, {"name", "kind", "about", "from", "as", "nodes", "result", "until",
                              "iterations_max"}));
    WEFT_TRY(from, find_key(place.names, json, "from", place.nodes));
    WEFT_TRY(as, text(json, "as"));
    if (!json.contains("iterations_max")) return wrong("\"iterations_max\" is missing");
    WEFT_TRY(iterations, integer_or(json, "iterations_max", 1, 1, kIterationsMax));
    Node node = Graph::open(place.name, NodeKind::kLoop, {from.slot});
    node.iterations_max = static_cast<int>(iterations);
    WEFT_TRY(type, read_inside(place, node, place.name, json, as, from.type));
    return close(place, place.name, std::move(node), type);
  }

  Result<void> read_branch(const Place& place) {
    const Json& json = place.json;
    WEFT_TRY_VOID(only(json, {"name", "kind", "about", "if", "then", "else"}));
    WEFT_TRY(condition, find_key(place.names, json, "if", place.nodes));
    if (condition.type != type_of<bool>()) {
      return wrong("\"if\" has to be a bool, not of type " + condition.type->name);
    }
    Node node = Graph::open(place.name, NodeKind::kBranch, {condition.slot});
    const Type* type = nullptr;
    for (const char* side : {"then", "else"}) {
      if (!json.contains(side)) return wrong("\"" + std::string(side) + "\" is missing");
      WEFT_TRY_VOID(only(json[side], {"nodes", "result"}));
      WEFT_TRY(given, read_inside(place, node, place.name + "/" + side, json[side], "", nullptr));
      if (type != nullptr && given != type) {
        return wrong("\"then\" gives " + type->name + ", but \"else\" gives " + given->name);
      }
      type = given;
    }
    return close(place, place.name, std::move(node), type);
  }

  Result<void> read_scope(const Place& place) {
    const Json& json = place.json;
    WEFT_TRY_VOID(only(json, {"name", "kind", "about", "budget", "nodes", "result"}));
    if (!json.contains("budget")) return wrong("\"budget\" is missing");
    WEFT_TRY(limit, budget(json["budget"]));
    Node node = Graph::open(place.name, NodeKind::kScope, {});
    node.limit = limit;
    WEFT_TRY(type, read_inside(place, node, place.name, json, "", nullptr));
    return close(place, place.name, std::move(node), type);
  }

  /// A prompt with the places {{first}} and {{second}} is asked twice, the second time with them
  /// swapped; a verdict that follows the place, not the text, is a tie.
  Result<void> read_judge(const Place& place) {
    const CodeKind& llm = code_kinds().front();
    const Json& json = place.json;
    Names keys = with(with(kNodeKeys, llm.keys), kPolicyKeys);
    std::erase(keys, "samples");  // one verdict a place
    WEFT_TRY_VOID(only(json, keys));
    const Json inputs = json.value("inputs", Json::object());
    if (!inputs.is_object() || !inputs.contains("first") || !inputs.contains("second")) {
      return wrong("\"inputs\" has to be an object with \"first\" and \"second\"");
    }
    Json ask = json;
    ask["kind"] = llm.name;
    const std::string one = place.name + " in order";
    const std::string two = place.name + " swapped";
    WEFT_TRY_VOID(read_code({ask, place.nodes, place.names, one, place.depth}, llm));
    std::swap(ask["inputs"]["first"], ask["inputs"]["second"]);
    WEFT_TRY_VOID(read_code({ask, place.nodes, place.names, two, place.depth}, llm));
    auto verdict = make_function<std::string, std::string>(
        [](Ctx&, const std::string& straight, const std::string& swapped) -> std::string {
          const auto a = straight.find_first_of("12");
          const auto b = swapped.find_first_of("12");
          if (a == std::string::npos || b == std::string::npos) return "tie";
          if (straight[a] == '1' && swapped[b] == '2') return "first";
          if (straight[a] == '2' && swapped[b] == '1') return "second";
          return "tie";
        });
    WEFT_TRY_VOID(add_code(place, place.name, verdict, {},
                           {place.names.here.at(one), place.names.here.at(two)}));
    return {};
  }

  const GraphParts& parts_;
  const Json& json_;
  std::shared_ptr<const tools::Registry> registry_;
  bool uses_model_ = false;
  bool uses_retrieval_ = false;
  std::vector<std::string> denied_;
};

}  // namespace file

Result<LoadedGraph> load_graph(std::string_view json, const GraphParts& parts) {
  if (json.size() > file::kFileBytesMax) {
    return Error{ErrorCode::kInvalidArgument, "a graph's file has at most 4 MiB"};
  }
  WEFT_TRY(parsed, tools::parse_json(json));
  return file::Reader(parts, parsed).read();
}

Result<SpendLimit> graph_budget(const nlohmann::json& json) { return file::budget(json); }

}  // namespace weft::planner
