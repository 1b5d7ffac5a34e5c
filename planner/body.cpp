#include "planner/body.h"

#include <algorithm>
#include <optional>
#include <type_traits>
#include <unordered_set>

namespace weft::planner {
namespace {

Error wrong(const Node& node, const std::string& why) {
  return Error{ErrorCode::kInvalidArgument, "node " + node.name + ": " + why};
}

Result<void> check_name(const std::string& name, std::unordered_set<std::string>& names) {
  // These characters separate the parts of a path.
  if (name.empty() || name.find_first_of("/[]") != std::string::npos) {
    return Error{ErrorCode::kInvalidArgument,
                 "the name \"" + name + "\" is empty or holds one of / [ ]; choose another"};
  }
  if (!names.insert(name).second) {
    return Error{ErrorCode::kInvalidArgument, "two nodes or inputs are called " + name};
  }
  return {};
}

Result<void> check_policy(const Node& node) {
  const Policy& policy = node.policy;
  if (policy.attempts < 1) return wrong(node, "attempts must be at least 1");
  if (policy.effect == Effect::kOnce && policy.attempts > 1) {
    return wrong(node, "its effect is \"once\", so it can't be retried: set attempts to 1");
  }
  if (policy.recompute && policy.effect != Effect::kPure) {
    return wrong(node, "it has an effect, so its value must be kept: don't set recompute");
  }
  if (policy.timeout.count() < 0 || policy.backoff.count() < 0 || policy.expected.count() < 0) {
    return wrong(node, "a duration in its policy is negative");
  }
  return {};
}

/// What input `index` must be, or null where any type will do.
const Type* wanted_type(const Node& node, std::size_t index) {
  if (node.code != nullptr) return node.code->inputs[index];
  if (node.kind == NodeKind::kBranch && index == 0) return type_of<bool>();
  if (node.kind == NodeKind::kAsk) return type_of<std::string>();
  return nullptr;
}

const Type* result_type(const Body& body) { return body.slots[body.result].type; }

Result<void> check_inside(const Node& node, const std::vector<const Type*>& inputs) {
  if (node.kind == NodeKind::kPlan) {
    if (inputs.empty()) return wrong(node, "it has no input that is the plan");
    if (!node.bodies.empty()) return wrong(node, "the graph inside it is made when it is run");
    return {};
  }
  if (node.kind == NodeKind::kAsk) {
    if (inputs.size() != 1) return wrong(node, "its one input is the question");
    if (!node.bodies.empty()) return wrong(node, "it has no graph inside");
    return {};
  }
  const std::size_t bodies = node.kind == NodeKind::kBranch ? 2 : 1;
  if (node.bodies.size() != bodies || node.arguments.size() != bodies) {
    return wrong(node, "it needs " + std::to_string(bodies) + " graphs inside");
  }
  const bool lists = node.kind == NodeKind::kMap || node.kind == NodeKind::kCollect;
  const bool has_own = lists || node.kind == NodeKind::kLoop;  // an input that isn't handed through
  if ((has_own || node.kind == NodeKind::kBranch) && inputs.empty()) {
    return wrong(node, "it has no input");
  }
  if (lists && inputs[0]->kind != Type::Kind::kList) {
    return wrong(node, "it goes over a list, not a value of type " + inputs[0]->name);
  }
  for (std::size_t b = 0; b < bodies; ++b) {
    const Body& body = *node.bodies[b];
    if (node.arguments[b].size() != body.inputs.size() || (has_own && body.inputs.empty())) {
      return wrong(node,
                   "the graph inside needs " + std::to_string(body.inputs.size()) + " inputs");
    }
    for (std::size_t i = 0; i < body.inputs.size(); ++i) {
      const std::uint32_t from = node.arguments[b][i];
      if (from >= inputs.size()) return wrong(node, "it has no input " + std::to_string(from));
      // The first is the node's own, whatever `arguments` say.
      const Type* own = lists ? inputs[0]->element : inputs[0];
      const Type* given = has_own && i == 0 ? own : inputs[from];
      if (given != body.inputs[i].type) {
        return wrong(node, "input " + body.inputs[i].name + " of the graph inside is of type " +
                               body.inputs[i].type->name + ", not " + given->name);
      }
    }
  }
  if (node.kind == NodeKind::kBranch &&
      result_type(*node.bodies[0]) != result_type(*node.bodies[1])) {
    return wrong(node,
                 "its two graphs give different types: " + result_type(*node.bodies[0])->name +
                     " and " + result_type(*node.bodies[1])->name);
  }
  if (node.kind == NodeKind::kLoop && result_type(*node.bodies[0]) != inputs[0]) {
    return wrong(node, "the loop starts with " + inputs[0]->name + " but its graph gives " +
                           result_type(*node.bodies[0])->name);
  }
  return {};
}

/// The type of a collecting map's result can't be made from its element's at run time, so the
/// builder and the loader set it in the slot beforehand.
Result<const Type*> output_type(const Node& node, const Type* declared) {
  switch (node.kind) {
    case NodeKind::kCode:
    case NodeKind::kPlan:
      return node.code->output;
    case NodeKind::kAsk:
      if (declared == nullptr) return wrong(node, "it doesn't say of which type an answer is");
      return declared;
    case NodeKind::kMap:
    case NodeKind::kCollect: {
      const auto kind = node.kind == NodeKind::kMap ? Type::Kind::kList : Type::Kind::kPartial;
      if (declared == nullptr || declared->kind != kind ||
          declared->element != result_type(*node.bodies[0])) {
        return wrong(node, "its graph gives " + result_type(*node.bodies[0])->name +
                               ", which isn't the element of its own type");
      }
      return declared;
    }
    case NodeKind::kLoop:
    case NodeKind::kBranch:
    case NodeKind::kScope:
      break;
  }
  return result_type(*node.bodies[0]);
}

std::size_t depth_of(const Body& body) {
  std::size_t depth = 1;
  for (const Node& node : body.nodes) {
    for (const auto& inside : node.bodies) depth = std::max(depth, 1 + depth_of(*inside));
  }
  return depth;
}

std::size_t nodes_of(const Body& body) {
  std::size_t count = body.nodes.size();
  for (const Node& node : body.nodes) {
    for (const auto& inside : node.bodies) count += nodes_of(*inside);
  }
  return count;
}

template <typename Number>
Result<void> check_unit(const Node& node, const char* unit, Number cost,
                        std::optional<Number> limit) {
  if (!limit || cost <= *limit) return {};
  const auto count = [](Number number) {
    if constexpr (std::is_integral_v<Number>) {
      return std::to_string(number);
    } else {
      return std::to_string(number.count());
    }
  };
  return wrong(node, "it sets aside " + count(cost) + " " + unit + ", but the whole budget is " +
                         count(*limit) + ": raise the limit, or lower the node's cost");
}

/// Longest path to the end: a node without an expected duration counts 1 ns, so that steps count.
void derive_remaining(Body& body) {
  std::vector<std::int64_t> from_slot(body.slots.size(), 0);
  body.remaining.assign(body.nodes.size(), 0);
  for (std::size_t n = body.nodes.size(); n-- > 0;) {
    const Node& node = body.nodes[n];
    const std::int64_t own = std::max<std::int64_t>(1, node.policy.expected.count());
    std::int64_t inside = 0;
    for (const auto& sub : node.bodies) {
      for (const std::int64_t path : sub->remaining) inside = std::max(inside, path);
    }
    if (__builtin_add_overflow(from_slot[node.output], std::max(own, inside), &body.remaining[n])) {
      body.remaining[n] = INT64_MAX;
    }
    for (const Slot slot : node.inputs) {
      from_slot[slot] = std::max(from_slot[slot], body.remaining[n]);
    }
  }
}

}  // namespace

std::string_view to_string(NodeKind kind) noexcept {
  switch (kind) {
    case NodeKind::kCode:
      return "code";
    case NodeKind::kMap:
      return "map";
    case NodeKind::kCollect:
      return "collect";
    case NodeKind::kLoop:
      return "loop";
    case NodeKind::kBranch:
      return "branch";
    case NodeKind::kScope:
      return "scope";
    case NodeKind::kAsk:
      return "ask";
    case NodeKind::kPlan:
      return "plan";
  }
  return "unknown";
}

const Type* type_at(const Body& body, std::string_view path) noexcept {
  const std::string_view name = path.substr(0, path.find_first_of("[/"));
  std::string_view rest = path.substr(name.size());
  for (const Node& node : body.nodes) {
    if (node.name != name) continue;
    if (rest.empty()) return body.slots[node.output].type;
    const bool is_indexed = rest.front() == '[';
    if (is_indexed) rest = rest.substr(std::min(rest.find(']'), rest.size() - 1) + 1);
    for (const auto& inside : node.bodies) {
      // The one node of a map() has the map's name; see Frame::path().
      const bool is_short =
          rest.empty() && is_indexed && inside->nodes.size() == 1 && inside->nodes[0].name == name;
      if (is_short) return inside->slots[inside->nodes[0].output].type;
      if (rest.empty() || rest.front() != '/') continue;
      if (const Type* found = type_at(*inside, rest.substr(1))) return found;
    }
    return nullptr;
  }
  return nullptr;
}

Result<void> check(Body& body, const BodyLimits& limits) {
  if (nodes_of(body) > limits.nodes_max || depth_of(body) > limits.depth_max) {
    return Error{ErrorCode::kInvalidArgument,
                 "the graph has more than " + std::to_string(limits.nodes_max) + " nodes or " +
                     std::to_string(limits.depth_max) + " graphs inside one another"};
  }
  std::unordered_set<std::string> names;
  body.slots.resize(body.inputs.size() + body.nodes.size());
  std::vector<bool> set(body.slots.size(), false);
  const auto define = [&](Slot slot, const std::string& name, const Type* type) -> Result<void> {
    WEFT_TRY_VOID(check_name(name, names));
    if (slot >= body.slots.size() || set[slot] || type == nullptr) {
      return Error{ErrorCode::kInvalidArgument, name + " has no slot of its own, or no type"};
    }
    set[slot] = true;
    body.slots[slot].type = type;
    body.slots[slot].name = name;
    body.slots[slot].readers.clear();
    return {};
  };
  for (const Input& input : body.inputs) WEFT_TRY_VOID(define(input.slot, input.name, input.type));
  body.sources.clear();
  for (std::uint32_t n = 0; n < body.nodes.size(); ++n) {
    const Node& node = body.nodes[n];
    WEFT_TRY_VOID(check_policy(node));
    if (node.kind == NodeKind::kCode || node.kind == NodeKind::kPlan) {
      if (node.code == nullptr) return wrong(node, "there is no function " + node.function);
      if ((node.kind == NodeKind::kPlan) != (node.code->expand != nullptr)) {
        return wrong(node, "its function makes " +
                               std::string(node.code->expand ? "a graph" : "a value") +
                               ", which isn't what a node of its kind needs");
      }
      if (node.code->inputs.size() != node.inputs.size()) {
        return wrong(node, "it takes " + std::to_string(node.code->inputs.size()) +
                               " inputs, not " + std::to_string(node.inputs.size()));
      }
    }
    std::vector<const Type*> types;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Slot slot = node.inputs[i];
      if (slot >= set.size() || !set[slot]) {
        return wrong(node, "input " + std::to_string(i) + " comes from no earlier node");
      }
      const Type* wanted = wanted_type(node, i);
      const Type* given = body.slots[slot].type;
      if (wanted != nullptr && wanted != given) {
        return wrong(node, "input " + std::to_string(i) + " is of type " + wanted->name + ", but " +
                               body.slots[slot].name + " gives " + given->name);
      }
      types.push_back(given);
      body.slots[slot].readers.push_back(n);
    }
    if (node.kind != NodeKind::kCode) WEFT_TRY_VOID(check_inside(node, types));
    if (node.kind == NodeKind::kScope) {
      if (node.wall_time.count() < 0) return wrong(node, "its time is negative");
      const auto fits = check_budget(*node.bodies[0], node.limit);
      if (!fits) return fits.error().with_context("in " + node.name);
    }
    if (node.kind == NodeKind::kLoop &&
        (node.iterations_max < 1 || node.iterations_max > limits.iterations_max)) {
      return wrong(node, "a loop needs a bound of 1 to " + std::to_string(limits.iterations_max));
    }
    if (node.inputs.empty()) body.sources.push_back(n);
    const Type* declared = node.output < body.slots.size() ? body.slots[node.output].type : nullptr;
    WEFT_TRY(type, output_type(node, declared));
    WEFT_TRY_VOID(define(node.output, node.name, type));
  }
  const auto is_read = [&](Slot slot) {
    return slot == body.result || (body.has_until && slot == body.until) ||
           !body.slots[slot].readers.empty();
  };
  if (body.result >= set.size() || !set[body.result]) {
    return Error{ErrorCode::kInvalidArgument, "the graph's result comes from no node or input"};
  }
  if (body.has_until &&
      (body.until >= set.size() || body.slots[body.until].type != type_of<bool>())) {
    return Error{ErrorCode::kInvalidArgument, "what ends the loop is no bool"};
  }
  for (const Node& node : body.nodes) {
    if (!is_read(node.output)) return wrong(node, "nothing reads its value: remove it, or use it");
  }
  derive_remaining(body);
  return {};
}

Result<void> check_budget(const Body& body, const SpendLimit& limit) {
  for (const Node& node : body.nodes) {
    const Spend& cost = node.policy.cost;
    switch (node.kind) {
      case NodeKind::kCode:
        WEFT_TRY_VOID(check_unit(node, "prompt tokens", cost.prompt_tokens, limit.prompt_tokens));
        WEFT_TRY_VOID(check_unit(node, "output tokens", cost.output_tokens, limit.output_tokens));
        WEFT_TRY_VOID(check_unit(node, "calls", cost.calls, limit.calls));
        WEFT_TRY_VOID(
            check_unit(node, "money (millionths)", cost.money_micros, limit.money_micros));
        WEFT_TRY_VOID(check_unit(node, "time (ns)", cost.time, limit.time));
        break;
      case NodeKind::kLoop:
      case NodeKind::kScope: {
        const auto inside = check_budget(*node.bodies[0], limit);
        if (!inside) return inside.error().with_context("in " + node.name);
        break;
      }
      case NodeKind::kMap:  // may have no element
      case NodeKind::kCollect:
      case NodeKind::kBranch:
      case NodeKind::kAsk:
      case NodeKind::kPlan:  // may be anything
        break;
    }
  }
  return {};
}

}  // namespace weft::planner
