// Reads plans: what a model wrote is checked in full here, and nowhere else.

#include "planner/plans/plan.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/nearest.h"
#include "planner/nodes/tool.h"
#include "planner/plans/reference.h"
#include "tools/json_text.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kJsonDepthMax = 16;

Error wrong(const std::string& why) { return Error{ErrorCode::kInvalidArgument, why}; }

const PlanKind* find_kind(const PlanKit& kit, std::string_view name) {
  const auto found = std::ranges::find(kit.kinds, name, &PlanKind::name);
  return found == kit.kinds.end() ? nullptr : &*found;
}

/// JSON Schema's name for what a value of `type` becomes; empty where it may be anything.
std::string json_type_of(const Type* type) {
  if (type->kind == Type::Kind::kList) return "array";
  if (type == type_of<std::string>()) return "string";
  if (type == type_of<std::int64_t>()) return "integer";
  if (type == type_of<double>()) return "number";
  if (type == type_of<bool>()) return "boolean";
  return "";
}

Result<void> only(const Json& json, std::initializer_list<std::string_view> keys) {
  if (!json.is_object()) return wrong("an object is expected, not " + tools::shown(json));
  for (const auto& [key, value] : json.items()) {
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      return wrong("\"" + key + "\" isn't known here" +
                   did_you_mean(key, std::vector<std::string>(keys.begin(), keys.end())));
    }
  }
  return {};
}

Result<std::string> text(const Json& json, const char* key) {
  if (!json.contains(key)) return wrong("\"" + std::string(key) + "\" is missing");
  if (json[key].is_string()) return json[key].get<std::string>();
  return wrong("\"" + std::string(key) + "\" has to be a text, not " + tools::shown(json[key]));
}

const Json& arguments_of(const PlanStep& step) { return step.arguments.as<Json>(); }

class Checker {
 public:
  Checker(const Json& document, const PlanKit& kit) : document_(document), kit_(kit) {}

  Result<Plan> read() {
    WEFT_TRY_VOID(only(document_, {"steps", "result"}));
    if (!document_.contains("steps") || !document_["steps"].is_array()) {
      return wrong("a plan has a list \"steps\"");
    }
    const Json& steps = document_["steps"];
    if (steps.empty()) return wrong("the plan has no steps");
    WEFT_TRY_VOID(read_ids(steps));
    for (const PlanKit::Input& input : kit_.inputs) known_[input.name] = json_type_of(input.type);
    for (std::size_t i = 0; i < steps.size(); ++i) {
      auto read = read_step(steps[i]);
      if (!read) return std::move(read).error().with_context("step " + ids_[i]);
      plan_.steps.push_back(*std::move(read));
    }
    WEFT_TRY(result, text(document_, "result"));
    if (!std::ranges::count(ids_, result)) {
      return wrong("the plan's \"result\" is " + tools::shown(Json(result)) +
                   ", which is no step's id" + did_you_mean(result, ids_));
    }
    plan_.result = std::move(result);
    WEFT_TRY_VOID(check_use());
    return std::move(plan_);
  }

 private:
  /// First, so that messages can tell a later step from none.
  Result<void> read_ids(const Json& steps) {
    for (const Json& step : steps) {
      const std::string place = "step " + std::to_string(ids_.size() + 1) + " of the list";
      if (ids_.size() == kit_.limits.steps_max) {
        return wrong(place + ": the plan has more than " + std::to_string(kit_.limits.steps_max) +
                     " steps");
      }
      if (!step.is_object()) return wrong(place + ": an object is expected");
      const auto id = text(step, "id");
      if (!id) return id.error().with_context(place);
      if (!is_plan_id(*id)) {
        return wrong(place + ": its id " + tools::shown(Json(*id)) + " isn't 1 to " +
                     std::to_string(kPlanIdBytesMax) + " letters, digits or _");
      }
      if (std::ranges::count(ids_, *id)) return wrong("step " + *id + ": two steps have this id");
      if (std::ranges::count(kit_.inputs, *id, &PlanKit::Input::name)) {
        return wrong("step " + *id + ": an input of the plan has this name");
      }
      ids_.push_back(*id);
    }
    return {};
  }

  Result<PlanStep> read_step(const Json& json) {
    WEFT_TRY_VOID(only(json, {"id", "tool", "arguments"}));
    PlanStep step{.id = json["id"]};
    WEFT_TRY(tool, text(json, "tool"));
    step.tool = std::move(tool);
    step.arguments = make_value(json.value("arguments", Json::object()));
    if (!arguments_of(step).is_object()) {
      return wrong("\"arguments\" has to be an object, not " + tools::shown(arguments_of(step)));
    }
    WEFT_TRY_VOID(read_needs(step));
    const PlanKind* kind = find_kind(kit_, step.tool);
    WEFT_TRY_VOID(kind != nullptr ? check_kind(step, *kind) : check_tool(step));
    known_[step.id] = kind != nullptr ? json_type_of(kind->code->output) : "";
    return step;
  }

  Result<void> read_needs(PlanStep& step) {
    WEFT_TRY(references, plan_references(arguments_of(step)));
    if (references.size() > kit_.limits.references_max) {
      return wrong("it has more than " + std::to_string(kit_.limits.references_max) +
                   " references");
    }
    std::size_t depth = 1;
    for (const PlanReference& reference : references) {
      if (!known_.contains(reference.id)) return no_such(step.id, reference.id);
      if (!std::ranges::count(step.needs, reference.id)) step.needs.push_back(reference.id);
      if (depths_.contains(reference.id)) depth = std::max(depth, 1 + depths_[reference.id]);
    }
    if (depth > kit_.limits.depth_max) {
      return wrong("more than " + std::to_string(kit_.limits.depth_max) +
                   " steps wait for one another up to it");
    }
    depths_[step.id] = depth;
    return {};
  }

  Error no_such(const std::string& step, const std::string& id) const {
    const std::string begin = "it refers to $" + id + ", ";
    if (id == step) return wrong(begin + "which is itself: a cycle");
    if (!std::ranges::count(ids_, id)) {
      std::vector<std::string> names;
      for (const auto& [name, type] : known_) names.push_back(name);
      return wrong(begin + "but no step or input is called so" + did_you_mean(id, names) +
                   "; $$ is a dollar sign");
    }
    if (needs(id, step)) return wrong(begin + "and that needs it in turn: a cycle");
    return wrong(begin + "which is a later step: put that one first");
  }

  /// Whether step `from` refers to `to`, over any number of others.
  bool needs(const std::string& from, const std::string& to) const {
    std::set<std::string> seen = {from};
    std::vector<std::string> open = {from};
    while (!open.empty()) {
      const auto at = std::ranges::find(ids_, open.back());
      open.pop_back();
      if (at == ids_.end()) continue;
      const Json& json = document_["steps"][static_cast<std::size_t>(at - ids_.begin())];
      const auto references = plan_references(json.value("arguments", Json::object()));
      if (!references) continue;
      for (const PlanReference& reference : *references) {
        if (reference.id == to) return true;
        if (seen.insert(reference.id).second) open.push_back(reference.id);
      }
    }
    return false;
  }

  Result<void> check_kind(const PlanStep& step, const PlanKind& kind) const {
    for (const auto& [name, value] : arguments_of(step).items()) {
      if (name != kind.argument) {
        return wrong(kind.name + " has no argument " + name +
                     did_you_mean(name, std::vector<std::string>{kind.argument}));
      }
    }
    if (!arguments_of(step).contains(kind.argument)) {
      return wrong(kind.name + " needs the argument " + kind.argument);
    }
    const Json& value = arguments_of(step)[kind.argument];
    if (value.is_string()) return {};  // what a reference puts there is shown as a text
    return wrong("its argument " + kind.argument + " has to be a text, not " + tools::shown(value));
  }

  Result<void> check_tool(const PlanStep& step) const {
    if (!std::ranges::count(kit_.tools, step.tool)) {
      std::vector<std::string> names = kit_.tools;
      for (const PlanKind& kind : kit_.kinds) names.push_back(kind.name);
      std::string all;
      for (const std::string& name : names) all += (all.empty() ? "; there is: " : ", ") + name;
      const std::string hint = did_you_mean(step.tool, names);
      return Error{ErrorCode::kNotFound,
                   "there is no tool " + step.tool + (hint.empty() ? all : hint)};
    }
    WEFT_TRY(tool, kit_.registry->find_allowed(step.tool));
    Json constants = Json::object();
    std::vector<std::string> others;
    for (const auto& [name, value] : arguments_of(step).items()) {
      WEFT_TRY(references, plan_references(value));
      if (references.empty()) {
        WEFT_TRY(plain, fill_references(value, {}));  // $$ becomes $
        constants[name] = std::move(plain);
      } else {
        others.push_back(name);
      }
    }
    WEFT_TRY_VOID(check_tool_arguments(*tool, constants, others));
    const Json properties = tool->arguments.json().value("properties", Json::object());
    for (const std::string& name : others) {
      if (!properties.contains(name)) continue;
      WEFT_TRY_VOID(check_type(name, arguments_of(step)[name], properties[name]));
    }
    return {};
  }

  /// Of an argument with references: whether what it becomes can be of the schema's type.
  Result<void> check_type(const std::string& name, const Json& value, const Json& schema) const {
    std::string type = value.is_string() ? "string" : value.is_array() ? "array" : "object";
    if (value.is_string()) {
      WEFT_TRY(pieces, plan_pieces(value.get<std::string>()));
      if (pieces.size() == 1) {
        const PlanReference& reference = pieces[0].reference;
        type = reference.pointer.empty() ? known_.at(reference.id) : "";
      }
    }
    const Json wanted = schema.value("type", Json());
    if (type.empty() || wanted.is_null()) return {};
    const Json list = wanted.is_array() ? wanted : Json::array({wanted});
    const bool fits = std::ranges::any_of(list, [&](const Json& each) {
      // A number may be a whole one; only its value says so.
      return each == Json(type) || (each == Json("number") && type == "integer") ||
             (each == Json("integer") && type == "number");
    });
    if (fits) return {};
    return wrong("its argument " + name + " becomes a value of type " + type + ", but " +
                 wanted.dump() + " is needed");
  }

  Result<void> check_use() const {
    for (const PlanStep& step : plan_.steps) {
      const bool is_used =
          step.id == plan_.result || std::ranges::any_of(plan_.steps, [&](const PlanStep& other) {
            return std::ranges::count(other.needs, step.id) > 0;
          });
      if (!is_used) {
        return wrong("step " + step.id + ": nothing needs its result: leave it out, or use it");
      }
    }
    return {};
  }

  const Json& document_;
  const PlanKit& kit_;
  Plan plan_;
  std::vector<std::string> ids_;
  std::map<std::string, std::string> known_;  // what can be referred to, and its JSON type
  std::map<std::string, std::size_t> depths_;
};

}  // namespace

Result<void> check(const PlanKit& kit) {
  std::set<std::string> names;
  for (const std::string& tool : kit.tools) {
    WEFT_TRY_VOID(kit.registry->find(tool));
    if (!names.insert(tool).second) return wrong("the tool " + tool + " is listed twice");
  }
  for (const PlanKind& kind : kit.kinds) {
    if (!names.insert(kind.name).second) return wrong("two tools are called " + kind.name);
  }
  if (names.empty()) return wrong("a plan needs a tool at least");
  for (const PlanKit::Input& input : kit.inputs) {
    if (!is_plan_id(input.name)) {
      return wrong("a plan can't refer to the input " + input.name +
                   ": its name has to be of letters, digits and _");
    }
  }
  return {};
}

Result<Plan> read_plan(const Json& document, const PlanKit& kit) {
  const std::size_t bytes = document.dump(-1, ' ', false, Json::error_handler_t::replace).size();
  if (bytes > kit.limits.bytes_max) {
    return wrong("the plan has more than " + std::to_string(kit.limits.bytes_max) + " bytes");
  }
  return Checker(document, kit).read();
}

Result<Plan> read_plan_text(std::string_view text, const PlanKit& kit) {
  if (text.size() > kit.limits.bytes_max) {
    return wrong("the plan has more than " + std::to_string(kit.limits.bytes_max) + " bytes");
  }
  auto document = tools::parse_json(text, kJsonDepthMax);
  if (!document) return std::move(document).error().with_context("the plan");
  return read_plan(*document, kit);
}

}  // namespace weft::planner
