// Plans as models are told of them: in words, and as a schema that holds them to the form.

#include <nlohmann/json.hpp>

#include "planner/plans/plan.h"
#include "planner/plans/reference.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;
using Ordered = nlohmann::ordered_json;

constexpr const char* kReferencePattern = R"(^\$(\w{1,32}|\{\w{1,32}(/\w{1,64})*\})$)";

/// A value of `schema`, or a reference in its place. A text may hold references anywhere.
Ordered or_reference(const Json& schema) {
  const Json type = schema.value("type", Json());
  const bool is_any_text = type == Json("string") && !schema.contains("enum");
  if (is_any_text) return {{"type", "string"}};
  Ordered value = schema;
  value.erase("default");
  return {{"anyOf", {std::move(value), {{"type", "string"}, {"pattern", kReferencePattern}}}}};
}

Ordered arguments_schema(const Json& schema) {
  Ordered made = {{"type", "object"}};
  made["properties"] = Ordered::object();
  const Json properties = schema.value("properties", Json::object());
  for (const auto& [name, property] : properties.items()) {
    made["properties"][name] = or_reference(property);
  }
  if (schema.contains("required")) made["required"] = schema["required"];
  made["additionalProperties"] = properties.empty() && schema.value("additionalProperties", true);
  return made;
}

Ordered step_schema(const std::string& tool, Ordered arguments) {
  Ordered step = {{"type", "object"}};
  step["properties"] = {
      {"id", {{"type", "string"}, {"pattern", R"(^\w{1,32}$)"}}},
      {"tool", {{"const", tool}}},
      {"arguments", std::move(arguments)},
  };
  step["required"] = {"id", "tool", "arguments"};
  step["additionalProperties"] = false;
  return step;
}

std::string tool_line(const std::string& name, const std::string& about, const Json& arguments) {
  const std::string shown = arguments.dump(-1, ' ', false, Json::error_handler_t::replace);
  return "- " + name + (about.empty() ? "" : ": " + about) + ". Arguments: " + shown + "\n";
}

Json text_argument(const std::string& name) {
  return {{"properties", {{name, {{"type", "string"}}}}}, {"required", {name}}};
}

}  // namespace

Ordered plan_schema(const PlanKit& kit) {
  Ordered steps = Ordered::array();
  for (const std::string& name : kit.tools) {
    const auto tool = kit.registry->find(name);
    if (tool) steps.push_back(step_schema(name, arguments_schema((*tool)->arguments.json())));
  }
  for (const PlanKind& kind : kit.kinds) {
    steps.push_back(step_schema(kind.name, arguments_schema(text_argument(kind.argument))));
  }
  Ordered schema = {{"type", "object"}};
  schema["properties"] = {
      {"steps",
       {{"type", "array"},
        {"items", {{"anyOf", std::move(steps)}}},
        {"minItems", 1},
        {"maxItems", kit.limits.steps_max}}},
      {"result", {{"type", "string"}, {"pattern", R"(^\w{1,32}$)"}}},
  };
  schema["required"] = {"steps", "result"};
  schema["additionalProperties"] = false;
  return schema;
}

std::string plan_instructions(const PlanKit& kit) {
  std::string text =
      "Write a plan as JSON: {\"steps\": [{\"id\": \"a\", \"tool\": NAME, \"arguments\": {...}}, "
      "...], \"result\": ID}. Each step calls one tool. In its arguments, \"$a\" stands for what "
      "the "
      "earlier step a gave, \"${a/key}\" for a part of it. Use the result of each step; \"result\" "
      "is the id of the step whose result answers the task. At most " +
      std::to_string(kit.limits.steps_max) + " steps.\n\nTools:\n";
  for (const std::string& name : kit.tools) {
    const auto tool = kit.registry->find(name);
    if (tool) text += tool_line(name, (*tool)->description, (*tool)->arguments.json());
  }
  for (const PlanKind& kind : kit.kinds) {
    text += tool_line(kind.name, kind.about, text_argument(kind.argument));
  }
  if (!kit.inputs.empty()) {
    text += "\nSteps may also refer to:";
    for (const PlanKit::Input& input : kit.inputs) {
      text += " $" + input.name + " (" + input.type->name + ")";
    }
    text += "\n";
  }
  return text;
}

}  // namespace weft::planner
