#include "planner/nodes/tool.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "base/nearest.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;

Error wrong(const std::string& why) { return Error{ErrorCode::kInvalidArgument, why}; }

}  // namespace

Result<void> check_tool_arguments(const tools::Tool& tool, const Json& constants,
                                  const std::vector<std::string>& others) {
  const Json& schema = tool.arguments.json();
  const Json properties = schema.value("properties", Json::object());
  std::vector<std::string> known;
  for (const auto& [name, unused] : properties.items()) known.push_back(name);
  std::set<std::string> given;
  for (const auto& [name, value] : constants.items()) {
    given.insert(name);
    if (!properties.contains(name)) continue;
    WEFT_TRY(property, tools::Schema::parse(properties[name]));
    const auto checked = property.check(value);
    if (!checked) return checked.error().with_context("its argument " + name);
  }
  for (const std::string& name : others) {
    if (!given.insert(name).second) return wrong("its argument " + name + " is given twice");
  }
  for (const std::string& name : given) {
    if (!properties.contains(name) && !schema.value("additionalProperties", true)) {
      return wrong("tool " + tool.name + " has no argument " + name + did_you_mean(name, known));
    }
  }
  for (const Json& name : schema.value("required", Json::array())) {
    if (!given.contains(name.get<std::string>())) {
      return wrong("tool " + tool.name + " needs the argument " + name.get<std::string>() +
                   ", which it isn't given");
    }
  }
  return {};
}

Result<FunctionPtr> tool_function(const ToolNode& node, const Json& constants) {
  if (!constants.is_object()) return wrong("\"arguments\" have to be an object");
  WEFT_TRY(tool, node.registry->find(node.tool));
  std::vector<std::string> inputs;
  for (const ToolNode::Argument& input : node.inputs) inputs.push_back(input.name);
  WEFT_TRY_VOID(check_tool_arguments(*tool, constants, inputs));
  auto made = std::make_shared<Function>();
  for (const ToolNode::Argument& input : node.inputs) made->inputs.push_back(input.type);
  made->output = node.gives;
  made->fingerprint = tool->fingerprint + "; arguments " +
                      constants.dump(-1, ' ', false, Json::error_handler_t::replace);
  made->label = "execute_tool " + node.tool;
  made->run = [node, constants](Ctx& ctx, Arguments in) -> Result<Value> {
    Json arguments = constants;
    for (std::size_t i = 0; i < in.size(); ++i) arguments[node.inputs[i].name] = to_json(*in[i]);
    ctx.spend({.calls = 1});
    WEFT_TRY(result, node.registry->call(node.tool, arguments, ctx.stop()));
    auto value = from_json(*node.gives, result);
    if (!value) return std::move(value).error().with_context("tool " + node.tool + ": its result");
    return value;
  };
  return FunctionPtr(std::move(made));
}

Policy tool_policy(const tools::Tool& tool) {
  const bool reads =
      tool.effect == tools::EffectClass::kRead || tool.effect == tools::EffectClass::kNetwork;
  return {.effect = reads ? Effect::kIdempotent : Effect::kOnce,
          .lane = LaneKind::kIo,
          .cost = {.calls = 1}};
}

}  // namespace weft::planner
