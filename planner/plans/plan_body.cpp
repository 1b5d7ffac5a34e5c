// Plans as graphs.

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "planner/nodes/text.h"
#include "planner/nodes/tool.h"
#include "planner/plans/plan.h"
#include "planner/plans/reference.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;

/// `arguments` with the values that a node is given, in the order of `needs`.
Result<Json> filled(const Json& arguments, const std::vector<std::string>& needs, Arguments in) {
  std::map<std::string, Json> values;
  for (std::size_t i = 0; i < needs.size(); ++i) values[needs[i]] = to_json(*in[i]);
  return fill_references(arguments,
                         [&](const std::string& id) -> const Json& { return values.at(id); });
}

class Builder {
 public:
  Builder(const Plan& plan, const PlanKit& kit, const Type* output)
      : plan_(plan), kit_(kit), output_(output) {}

  Result<std::shared_ptr<const Body>> build() {
    for (const PlanKit::Input& input : kit_.inputs) {
      const auto slot = static_cast<Slot>(body_.slots.size());
      body_.inputs.push_back({input.name, input.type, slot});
      body_.slots.push_back({.type = input.type});
      slots_[input.name] = slot;
    }
    for (const PlanStep& step : plan_.steps) {
      const auto kind = std::ranges::find(kit_.kinds, step.tool, &PlanKind::name);
      if (kind != kit_.kinds.end()) {
        add_kind(step, *kind);
      } else {
        WEFT_TRY_VOID(add_tool(step));
      }
    }
    body_.result = slots_.at(plan_.result);
    const Type* type = body_.slots[body_.result].type;
    // An id has no blank, so this name is free.
    if (type != output_) body_.result = add("the result", convert(type), {}, {body_.result});
    auto body = std::make_shared<Body>(std::move(body_));
    WEFT_TRY_VOID(check(*body));
    return std::shared_ptr<const Body>(std::move(body));
  }

 private:
  Slot add(const std::string& name, FunctionPtr code, const Policy& policy,
           std::vector<Slot> inputs) {
    const auto slot = static_cast<Slot>(body_.slots.size());
    body_.slots.push_back({.type = code->output});
    Node node;
    node.name = name;
    node.policy = policy;
    node.inputs = std::move(inputs);
    node.output = slot;
    node.function = name;
    node.code = std::move(code);
    body_.nodes.push_back(std::move(node));
    return slot;
  }

  std::vector<Slot> slots_of(const PlanStep& step) const {
    std::vector<Slot> slots;
    for (const std::string& id : step.needs) slots.push_back(slots_.at(id));
    return slots;
  }
  std::vector<const Type*> types_of(const PlanStep& step) const {
    std::vector<const Type*> types;
    for (const Slot slot : slots_of(step)) types.push_back(body_.slots[slot].type);
    return types;
  }

  Result<void> add_tool(const PlanStep& step) {
    WEFT_TRY(tool, kit_.registry->find_allowed(step.tool));
    auto code = std::make_shared<Function>();
    code->inputs = types_of(step);
    code->output = type_of<Json>();
    code->fingerprint =
        tool->fingerprint + "; arguments " +
        step.arguments.as<Json>().dump(-1, ' ', false, Json::error_handler_t::replace);
    code->label = "execute_tool " + step.tool;
    code->run = [registry = kit_.registry, step](Ctx& ctx, Arguments in) -> Result<Value> {
      WEFT_TRY(arguments, filled(step.arguments.as<Json>(), step.needs, in));
      ctx.spend({.calls = 1});
      WEFT_TRY(result, registry->call(step.tool, arguments, ctx.stop()));
      return make_value(std::move(result));
    };
    slots_[step.id] = add(step.id, std::move(code), tool_policy(*tool), slots_of(step));
    return {};
  }

  /// Two nodes: one fills in the text, and the kind's own code is one object for all its steps, so
  /// that those that are ready together go to the model together.
  void add_kind(const PlanStep& step, const PlanKind& kind) {
    auto code = std::make_shared<Function>();
    code->inputs = types_of(step);
    code->output = type_of<std::string>();
    code->fingerprint =
        step.arguments.as<Json>().dump(-1, ' ', false, Json::error_handler_t::replace);
    code->run = [text = step.arguments.as<Json>()[kind.argument], needs = step.needs](
                    Ctx&, Arguments in) -> Result<Value> {
      WEFT_TRY(made, filled(text, needs, in));
      // One reference alone gives a value, which is shown as in a longer text.
      if (made.is_string()) return make_value(made.get<std::string>());
      return make_value(made.dump(-1, ' ', false, Json::error_handler_t::replace));
    };
    const Slot text =
        add(step.id + " " + kind.argument, std::move(code), {.recompute = true}, slots_of(step));
    slots_[step.id] = add(step.id, kind.code, kind.policy, {text});
  }

  FunctionPtr convert(const Type* type) const {
    if (output_ == type_of<std::string>()) return show_function(type);
    auto code = std::make_shared<Function>();
    code->inputs = {type};
    code->output = output_;
    code->run = [output = output_](Ctx&, Arguments in) {
      return from_json(*output, to_json(*in[0]));
    };
    return code;
  }

  const Plan& plan_;
  const PlanKit& kit_;
  const Type* output_;
  Body body_;
  std::map<std::string, Slot> slots_;
};

Result<Plan> read_document(const Value& document, const PlanKit& kit) {
  if (document.type() == type_of<std::string>()) {
    return read_plan_text(document.as<std::string>(), kit);
  }
  return read_plan(document.as<Json>(), kit);
}

}  // namespace

Result<std::shared_ptr<const Body>> plan_body(const Plan& plan, const PlanKit& kit,
                                              const Type* output) {
  return Builder(plan, kit, output).build();
}

FunctionPtr plan_function(PlanKit kit, const Type* document, const Type* output) {
  auto made = std::make_shared<Function>();
  made->inputs = {document};
  for (const PlanKit::Input& input : kit.inputs) made->inputs.push_back(input.type);
  made->output = output;
  made->label = "plan";
  made->expand = [kit = std::move(kit),
                  output](Arguments in) -> Result<std::shared_ptr<const Body>> {
    WEFT_TRY(plan, read_document(*in[0], kit));
    return plan_body(plan, kit, output);
  };
  return made;
}

FunctionPtr plan_mistake_function(PlanKit kit) {
  return make_function<std::string>([kit = std::move(kit)](Ctx&, const std::string& text) {
    const auto read = read_plan_text(text, kit);
    return read ? std::string() : read.error().message;
  });
}

}  // namespace weft::planner
