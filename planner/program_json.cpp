// A program as text and back. Nothing that stands in the text is trusted: it is read into a Body,
// which check() checks as it does one from C++.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "planner/program.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;

constexpr int kFormat = 1;
constexpr std::array kEffects = {"pure", "idempotent", "once"};
constexpr std::array kLaneNames = {"cpu", "io", "model"};
constexpr std::array kKinds = {NodeKind::kCode, NodeKind::kMap,    NodeKind::kCollect,
                               NodeKind::kLoop, NodeKind::kBranch, NodeKind::kScope,
                               NodeKind::kAsk,  NodeKind::kPlan};

// ---- to text: what is the default isn't written ----

void put(Json& json, const char* key, std::int64_t value, std::int64_t usual) {
  if (value != usual) json[key] = value;
}

Json policy_json(const Policy& policy) {
  const Policy usual;
  Json json = Json::object();
  put(json, "attempts", policy.attempts, usual.attempts);
  put(json, "backoff_ns", policy.backoff.count(), 0);
  put(json, "timeout_ns", policy.timeout.count(), 0);
  put(json, "expected_ns", policy.expected.count(), 0);
  put(json, "version", policy.version, usual.version);
  if (policy.recompute) json["recompute"] = true;
  if (policy.effect != usual.effect)
    json["effect"] = kEffects[static_cast<std::size_t>(policy.effect)];
  if (policy.lane != usual.lane) json["lane"] = kLaneNames[static_cast<std::size_t>(policy.lane)];
  Json cost = Json::object();
  put(cost, "prompt_tokens", policy.cost.prompt_tokens, 0);
  put(cost, "output_tokens", policy.cost.output_tokens, 0);
  put(cost, "calls", policy.cost.calls, 0);
  put(cost, "money_micros", policy.cost.money_micros, 0);
  put(cost, "time_ns", policy.cost.time.count(), 0);
  if (!cost.empty()) json["cost"] = std::move(cost);
  if (policy.error != usual.error) json["error"] = error_tag_json(policy.error);
  return json;
}

Json limit_json(const SpendLimit& limit) {
  Json json = Json::object();
  if (limit.prompt_tokens) json["prompt_tokens"] = *limit.prompt_tokens;
  if (limit.output_tokens) json["output_tokens"] = *limit.output_tokens;
  if (limit.calls) json["calls"] = *limit.calls;
  if (limit.money_micros) json["money_micros"] = *limit.money_micros;
  if (limit.time) json["time_ns"] = limit.time->count();
  return json;
}

Json body_json(const Body& body) {
  const auto names = [&](const std::vector<Slot>& slots) {
    Json list = Json::array();
    for (const Slot slot : slots) list.push_back(body.slots[slot].name);
    return list;
  };
  Json json = {{"inputs", Json::array()}, {"nodes", Json::array()}};
  for (const Input& input : body.inputs) {
    json["inputs"].push_back({{"name", input.name}, {"type", input.type->name}});
  }
  for (const Node& node : body.nodes) {
    Json entry = {
        {"name", node.name}, {"kind", to_string(node.kind)}, {"inputs", names(node.inputs)}};
    if (node.kind == NodeKind::kCode || node.kind == NodeKind::kPlan) {
      entry["function"] = node.function;
      Json policy = policy_json(node.policy);
      if (!policy.empty()) entry["policy"] = std::move(policy);
    } else if (node.kind == NodeKind::kAsk) {
      entry["type"] = body.slots[node.output].type->name;
    } else {
      entry["graphs"] = Json::array();
      for (const auto& inside : node.bodies) entry["graphs"].push_back(body_json(*inside));
      entry["arguments"] = node.arguments;
      entry["type"] = body.slots[node.output].type->name;
    }
    if (node.kind == NodeKind::kLoop) entry["iterations_max"] = node.iterations_max;
    if (node.kind == NodeKind::kScope) {
      entry["limit"] = limit_json(node.limit);
      put(entry, "wall_time_ns", node.wall_time.count(), 0);
    }
    json["nodes"].push_back(std::move(entry));
  }
  json["result"] = body.slots[body.result].name;
  if (body.has_until) json["until"] = body.slots[body.until].name;
  return json;
}

// ---- from text ----

Error wrong(const std::string& why) { return Error{ErrorCode::kInvalidArgument, why}; }

Result<std::int64_t> integer(const Json& json, const char* key, std::int64_t usual) {
  const auto found = json.find(key);
  if (found == json.end()) return usual;
  auto value = Codec<std::int64_t>::from_json(*found);
  if (!value) return std::move(value).error().with_context(key);
  return value;
}

Result<std::string> text(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) {
    return wrong(std::string("the text \"") + key + "\" isn't there");
  }
  return found->get<std::string>();
}

Result<const Json*> list(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_array()) {
    return wrong(std::string("the list \"") + key + "\" isn't there");
  }
  return &*found;
}

Result<void> only(const Json& json, std::initializer_list<std::string_view> keys) {
  if (!json.is_object()) return wrong("an object is expected");
  for (const auto& [key, value] : json.items()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      return wrong("\"" + key + "\" isn't known here");
    }
  }
  return {};
}

template <typename Names>
Result<std::size_t> one_of(const Json& json, const char* key, const Names& names) {
  if (!json.contains(key)) return std::size_t{0};
  WEFT_TRY(name, text(json, key));
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return wrong(name + " is no " + key);
  return static_cast<std::size_t>(found - names.begin());
}

Result<Spend> read_spend(const Json& json) {
  WEFT_TRY_VOID(only(json, {"prompt_tokens", "output_tokens", "calls", "money_micros", "time_ns"}));
  WEFT_TRY(prompt, integer(json, "prompt_tokens", 0));
  WEFT_TRY(output, integer(json, "output_tokens", 0));
  WEFT_TRY(calls, integer(json, "calls", 0));
  WEFT_TRY(money, integer(json, "money_micros", 0));
  WEFT_TRY(time, integer(json, "time_ns", 0));
  return Spend{prompt, output, calls, money, std::chrono::nanoseconds(time)};
}

Result<SpendLimit> read_limit(const Json& json) {
  WEFT_TRY(spend, read_spend(json));
  SpendLimit limit;
  if (json.contains("prompt_tokens")) limit.prompt_tokens = spend.prompt_tokens;
  if (json.contains("output_tokens")) limit.output_tokens = spend.output_tokens;
  if (json.contains("calls")) limit.calls = spend.calls;
  if (json.contains("money_micros")) limit.money_micros = spend.money_micros;
  if (json.contains("time_ns")) limit.time = spend.time;
  return limit;
}

Result<Policy> read_policy(const Json& json) {
  WEFT_TRY_VOID(only(json, {"attempts", "backoff_ns", "timeout_ns", "expected_ns", "version",
                            "effect", "lane", "cost", "recompute", "error"}));
  Policy policy;
  WEFT_TRY(attempts, integer(json, "attempts", policy.attempts));
  WEFT_TRY(version, integer(json, "version", policy.version));
  if (std::max(attempts, version) > INT32_MAX || std::min(attempts, version) < 0) {
    return wrong("attempts or version is out of range");
  }
  policy.attempts = static_cast<int>(attempts);
  policy.version = static_cast<int>(version);
  WEFT_TRY(backoff, integer(json, "backoff_ns", 0));
  WEFT_TRY(timeout, integer(json, "timeout_ns", 0));
  WEFT_TRY(expected, integer(json, "expected_ns", 0));
  policy.backoff = std::chrono::nanoseconds(backoff);
  policy.timeout = std::chrono::nanoseconds(timeout);
  policy.expected = std::chrono::nanoseconds(expected);
  WEFT_TRY(effect, one_of(json, "effect", kEffects));
  policy.effect = static_cast<Effect>(effect);
  WEFT_TRY(lane, one_of(json, "lane", kLaneNames));
  policy.lane = static_cast<LaneKind>(lane);
  if (json.contains("recompute")) {
    if (!json["recompute"].is_boolean()) return wrong("\"recompute\" is true or false");
    policy.recompute = json["recompute"].get<bool>();
  }
  if (json.contains("cost")) {
    WEFT_TRY(cost, read_spend(json["cost"]));
    policy.cost = cost;
  }
  if (json.contains("error")) {
    WEFT_TRY(error, error_tag_from_json(json["error"]));
    policy.error = error;
  }
  return policy;
}

class Loader {
 public:
  /// Without functions, it reads a sketch: no code, no types, no checks but those of places.
  Loader(const Functions* functions, const BodyLimits& limits, const Types& types)
      : functions_(functions), limits_(limits) {
    if (functions == nullptr) return;
    for (const Type* type : types) add(type);
    add<bool>();
    add<std::int64_t>();
    add<double>();
    add<std::string>();
    for (const auto& [name, function] : *functions) {
      for (const Type* type : function->inputs) add(type);
      add(function->output);
    }
  }

  Result<std::shared_ptr<const Body>> load(const Json& json, std::size_t depth) {
    if (depth > limits_.depth_max) return wrong("there are too many graphs inside one another");
    WEFT_TRY_VOID(only(json, {"format", "inputs", "nodes", "result", "until"}));
    auto body = std::make_shared<Body>();
    std::unordered_map<std::string, Slot> slots;
    WEFT_TRY(inputs, list(json, "inputs"));
    for (const Json& entry : *inputs) {
      WEFT_TRY_VOID(only(entry, {"name", "type"}));
      WEFT_TRY(name, text(entry, "name"));
      WEFT_TRY(type, type_named(entry));
      const Slot slot = static_cast<Slot>(slots.size());
      if (!slots.emplace(name, slot).second) return wrong("two nodes or inputs are called " + name);
      body->inputs.push_back({std::move(name), type, slot});
    }
    WEFT_TRY(nodes, list(json, "nodes"));
    if (nodes_ += nodes->size(); nodes_ > limits_.nodes_max)
      return wrong("there are too many nodes");
    body->slots.resize(slots.size() + nodes->size());
    for (const Json& entry : *nodes) {
      const auto name = text(entry, "name");
      auto node = load_node(entry, *body, slots, depth);
      if (!node) {
        return std::move(node).error().with_context(name ? "node " + *name : "a node without name");
      }
      body->nodes.push_back(*std::move(node));
    }
    WEFT_TRY(result, slot_named(json, "result", slots));
    body->result = result;
    if (json.contains("until")) {
      WEFT_TRY(until, slot_named(json, "until", slots));
      body->until = until;
      body->has_until = true;
    }
    if (functions_ != nullptr) WEFT_TRY_VOID(check(*body, limits_));
    return std::shared_ptr<const Body>(std::move(body));
  }

 private:
  using Slots = std::unordered_map<std::string, Slot>;

  template <typename T>
  void add() {
    add(type_of<T>());
    add(type_of<std::vector<T>>());
    add(type_of<Partial<T>>());
  }
  void add(const Type* type) {
    for (; type != nullptr; type = type->element) types_.emplace(type->name, type);
  }

  Result<const Type*> type_named(const Json& json) const {
    WEFT_TRY(name, text(json, "type"));
    if (functions_ == nullptr) return static_cast<const Type*>(nullptr);
    const auto found = types_.find(name);
    if (found == types_.end()) return Error{ErrorCode::kNotFound, "there is no type " + name};
    return found->second;
  }
  static Result<Slot> slot_named(const Json& json, const char* key, const Slots& slots) {
    WEFT_TRY(name, text(json, key));
    const auto found = slots.find(name);
    if (found == slots.end())
      return wrong(std::string(key) + ": there is no node or input " + name);
    return found->second;
  }

  Result<Node> load_node(const Json& json, Body& body, Slots& slots, std::size_t depth) {
    WEFT_TRY_VOID(only(json, {"name", "kind", "inputs", "function", "policy", "graphs", "arguments",
                              "type", "iterations_max", "limit", "wall_time_ns"}));
    Node node;
    WEFT_TRY(name, text(json, "name"));
    WEFT_TRY(kind, text(json, "kind"));
    const auto* known = std::find_if(kKinds.begin(), kKinds.end(),
                                     [&](NodeKind k) { return to_string(k) == kind; });
    if (known == kKinds.end()) return wrong("there is no kind of node " + kind);
    node.kind = *known;
    WEFT_TRY(inputs, list(json, "inputs"));
    for (const Json& input : *inputs) {
      const auto from = input.is_string() ? slots.find(input.get<std::string>()) : slots.end();
      if (from == slots.end()) {
        const std::string what = input.is_string()
                                     ? '"' + input.get<std::string>() + '"'
                                     : "of JSON's type " + std::string(input.type_name());
        return wrong("its input " + what + " is no input of the graph and no node before it");
      }
      node.inputs.push_back(from->second);
    }
    node.output = static_cast<Slot>(slots.size());
    if (node.kind == NodeKind::kCode || node.kind == NodeKind::kPlan) {
      WEFT_TRY(function, text(json, "function"));
      if (functions_ != nullptr) {
        const auto code = functions_->find(function);
        if (code == functions_->end())
          return Error{ErrorCode::kNotFound, "there is no function " + function};
        node.code = code->second;
      }
      node.function = std::move(function);
      if (json.contains("policy")) {
        WEFT_TRY(policy, read_policy(json["policy"]));
        node.policy = policy;
      }
    } else {
      if (node.kind != NodeKind::kAsk) WEFT_TRY_VOID(load_inside(json, node, depth));
      WEFT_TRY(type, type_named(json));
      body.slots[node.output].type = type;
    }
    if (!slots.emplace(name, node.output).second)
      return wrong("two nodes or inputs have this name");
    node.name = std::move(name);
    return node;
  }

  Result<void> load_inside(const Json& json, Node& node, std::size_t depth) {
    WEFT_TRY(graphs, list(json, "graphs"));
    for (const Json& inside : *graphs) {
      WEFT_TRY(loaded, load(inside, depth + 1));
      node.bodies.push_back(std::move(loaded));
    }
    WEFT_TRY(arguments, list(json, "arguments"));
    for (const Json& row : *arguments) {
      if (!row.is_array()) return wrong("arguments are lists of numbers");
      node.arguments.emplace_back();
      for (const Json& from : row) {
        if (!from.is_number_unsigned() || from.get<std::uint64_t>() > UINT32_MAX) {
          return wrong("arguments are lists of numbers");
        }
        node.arguments.back().push_back(from.get<std::uint32_t>());
      }
    }
    WEFT_TRY(iterations, integer(json, "iterations_max", 0));
    node.iterations_max = static_cast<int>(std::clamp<std::int64_t>(iterations, -1, INT32_MAX));
    WEFT_TRY(wall_time, integer(json, "wall_time_ns", 0));
    node.wall_time = std::chrono::nanoseconds(wall_time);
    if (json.contains("limit")) {
      WEFT_TRY(limit, read_limit(json["limit"]));
      node.limit = limit;
    }
    return functions_ == nullptr ? check_places(node) : Result<void>();
  }

  /// That a sketch's graphs inside read what is there, as check() sees to otherwise.
  static Result<void> check_places(const Node& node) {
    const std::size_t graphs = node.kind == NodeKind::kBranch ? 2 : 1;
    bool fits = node.bodies.size() == graphs && node.arguments.size() == graphs &&
                (graphs == 1 || !node.inputs.empty());
    for (std::size_t b = 0; fits && b < graphs; ++b) {
      fits = node.arguments[b].size() == node.bodies[b]->inputs.size() &&
             std::ranges::all_of(node.arguments[b],
                                 [&](std::uint32_t from) { return from < node.inputs.size(); });
    }
    if (fits) return {};
    return wrong("its graphs inside don't read its inputs");
  }

  const Functions* functions_;
  const BodyLimits& limits_;
  std::unordered_map<std::string, const Type*> types_;
  std::size_t nodes_ = 0;
};

}  // namespace

std::string AnyProgram::json() const {
  Json json = body_json(*body_);
  json["format"] = kFormat;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

namespace {

/// A program's JSON, taken apart. Errors: kInvalidArgument.
Result<Json> parse_program(std::string_view json, const BodyLimits& limits) {
  // A graph is an object in a list in a node in a list; copying and comparing JSON recurses.
  const std::size_t depth_max = 4 * limits.depth_max + 4;
  bool is_deep = false;
  const auto watch = [&](int depth, Json::parse_event_t, Json&) {
    is_deep = is_deep || static_cast<std::size_t>(depth) > depth_max;
    return !is_deep;
  };
  Json parsed = Json::parse(json, watch, /*allow_exceptions=*/false);
  if (is_deep) return wrong("there are too many values inside one another");
  if (parsed.is_discarded()) return wrong("the program isn't valid JSON");
  const auto format = parsed.is_object() ? parsed.find("format") : parsed.end();
  if (!parsed.is_object() || format == parsed.end() || *format != Json(kFormat)) {
    return wrong("the program's \"format\" isn't " + std::to_string(kFormat));
  }
  return parsed;
}

}  // namespace

Result<AnyProgram> AnyProgram::from_json(std::string_view json, const Functions& functions,
                                         const BodyLimits& limits, const Types& types) {
  WEFT_TRY(parsed, parse_program(json, limits));
  WEFT_TRY(body, Loader(&functions, limits, types).load(parsed, 1));
  return AnyProgram(std::move(body));
}

Result<std::shared_ptr<const Body>> sketch_program(std::string_view json) {
  const BodyLimits limits;
  WEFT_TRY(parsed, parse_program(json, limits));
  return Loader(nullptr, limits, {}).load(parsed, 1);
}

}  // namespace weft::planner
