#include "planner/graph.h"

#include <algorithm>

namespace weft::planner {

Slot Graph::add_input(std::string_view name, const Type* type) {
  const Slot slot = static_cast<Slot>(body_.slots.size());
  body_.slots.emplace_back().type = type;
  body_.inputs.push_back({std::string(name), type, slot});
  return slot;
}

void Graph::check_output(std::string_view name, const Function& code, const Type* type) {
  if (code.output == type || mistake_) return;
  mistake_ =
      Error{ErrorCode::kInvalidArgument, "node " + std::string(name) + ": its function gives " +
                                             code.output->name + ", not " + type->name};
}

Slot Graph::add_code(std::string_view name, FunctionPtr code, const Policy& policy,
                     std::vector<Slot> in) {
  Node node = open(name, NodeKind::kCode, std::move(in));
  node.function = prefix_ + std::string(name);
  node.code = std::move(code);
  node.policy = policy;
  const Type* type = node.code->output;
  return add(std::move(node), type);
}

Slot Graph::add_plan(std::string_view name, FunctionPtr code, std::vector<Slot> in) {
  Node node = open(name, NodeKind::kPlan, std::move(in));
  node.function = prefix_ + std::string(name);
  node.code = std::move(code);
  const Type* type = node.code->output;
  return add(std::move(node), type);
}

Node Graph::open(std::string_view name, NodeKind kind, std::vector<Slot> in) {
  Node node;
  node.name = name;
  node.kind = kind;
  node.inputs = std::move(in);
  return node;
}

Slot Graph::add(Node node, const Type* type) {
  if (type == nullptr && !node.bodies.empty()) {
    const Body& inside = *node.bodies[0];
    type = inside.slots[inside.result].type;
  }
  const Slot slot = static_cast<Slot>(body_.slots.size());
  node.output = slot;
  body_.slots.emplace_back().type = type;
  body_.nodes.push_back(std::move(node));
  return slot;
}

Slot Graph::resolve(const Graph* graph, Slot slot, const Type* type) {
  if (graph == this) return slot;
  const Graph* around = parent_;
  while (around != nullptr && around != graph) around = around->parent_;
  if (around == nullptr) {
    if (!mistake_) {
      mistake_ = Error{ErrorCode::kInvalidArgument,
                       "a value of type " + type->name +
                           " comes from a graph that isn't this one nor one around it"};
    }
    return slot;
  }
  const Slot outer = parent_->resolve(graph, slot, type);
  const auto known = std::find_if(captured_.begin(), captured_.end(),
                                  [&](const Captured& c) { return c.outer == outer; });
  if (known != captured_.end()) return known->inner;
  const Slot inner = add_input("^" + std::to_string(captured_.size()), type);
  captured_.push_back({outer, inner});
  return inner;
}

Result<std::shared_ptr<const Body>> Graph::finish(Slot result, const BodyLimits& limits) {
  if (mistake_) return *mistake_;
  auto body = std::make_shared<Body>(body_);
  body->result = result;
  body->has_until = until_.has_value();
  body->until = until_.value_or(0);
  WEFT_TRY_VOID(check(*body, limits));
  return std::shared_ptr<const Body>(std::move(body));
}

void Graph::finish_into(Node& node, Slot result, std::size_t own_inputs) {
  auto body = finish(result, {});
  if (!body) {
    if (!parent_->mistake_)
      parent_->mistake_ = std::move(body).error().with_context("in " + node.name);
    // Something valid of the right type stands in until build() returns the mistake.
    auto stand_in = std::make_shared<Body>(body_);
    if (result >= stand_in->slots.size()) {  // of another graph
      result = static_cast<Slot>(stand_in->slots.size());
      stand_in->slots.emplace_back();
    }
    stand_in->result = result;
    node.bodies.push_back(std::move(stand_in));
    return;
  }
  // Its own inputs come first, then those from outside; where the builder captured one early, the
  // order of slots differs from that of arguments, so arguments go by name of slot.
  std::vector<std::uint32_t> arguments;
  for (std::size_t i = 0; i < (*body)->inputs.size(); ++i) {
    const Slot inner = (*body)->inputs[i].slot;
    const auto from = std::find_if(captured_.begin(), captured_.end(),
                                   [&](const Captured& c) { return c.inner == inner; });
    if (from == captured_.end()) {
      arguments.push_back(static_cast<std::uint32_t>(std::min(i, own_inputs)));
      continue;
    }
    const auto known = std::find(node.inputs.begin() + static_cast<std::ptrdiff_t>(own_inputs),
                                 node.inputs.end(), from->outer);
    arguments.push_back(static_cast<std::uint32_t>(known - node.inputs.begin()));
    if (known == node.inputs.end()) node.inputs.push_back(from->outer);
  }
  node.bodies.push_back(*std::move(body));
  node.arguments.push_back(std::move(arguments));
}

}  // namespace weft::planner
