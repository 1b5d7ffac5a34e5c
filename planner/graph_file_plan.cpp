// Nodes of kind "plan": steps that a document names, or that a model writes down first.

#include <nlohmann/json.hpp>

#include "base/nearest.h"
#include "planner/graph_file_reader.h"
#include "planner/plans/plan.h"

namespace weft::planner::file {
namespace {

constexpr std::int64_t kStepsMax = 100;
const Names kPlanKeys = {"name",  "kind",  "about",     "from",      "inputs",
                         "tools", "kinds", "steps_max", "depth_max", "gives"};

/// What a template would read as a place stands as it is.
std::string escaped(std::string_view text) {
  std::string made;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("{{")) made += '\\';
    made += text[i];
  }
  return made;
}

}  // namespace

Result<PlanKind> Reader::read_plan_kind(const std::string& name, const Json& options) {
  const bool is_llm = name == "llm";
  if (!is_llm && name != "retrieve") {
    return wrong("\"kinds\" are llm and retrieve, not " + name);
  }
  const auto& kinds = code_kinds();
  const auto kind = std::ranges::find(kinds, name, &CodeKind::name);
  Names keys = kind->keys;
  std::erase_if(keys, [](const std::string& key) {
    return key.starts_with("prompt") && key != "prompt_tokens_max";
  });
  std::erase(keys, "samples");
  WEFT_TRY_VOID(only(options, keys));
  CodeRequest request{
      options, {{is_llm ? "prompt" : "query", type_of<std::string>()}}, {}, parts_, registry_};
  if (is_llm) {
    WEFT_TRY(whole, PromptTemplate::parse("{{prompt}}"));
    request.prompt = std::move(whole);
  }
  WEFT_TRY(made, make_code(*kind, request));
  uses_model_ = uses_model_ || is_llm;
  uses_retrieval_ = uses_retrieval_ || !is_llm;
  return PlanKind{name, is_llm ? "prompt" : "query",
                  is_llm ? "asks a language model; gives its answer, a text"
                         : "searches the documents; gives a list of passages",
                  made.code, made.policy};
}

Result<PlanKit> Reader::read_plan_kit(const Place& place, std::vector<Named>& inputs) {
  const Json& json = place.json;
  PlanKit kit{.registry = registry_};
  WEFT_TRY(names, texts_or(json, "tools", registry_->names()));
  kit.tools = std::move(names);
  for (const std::string& tool : kit.tools) note_tool(tool);
  const Json kinds = json.value("kinds", Json::object());
  if (!kinds.is_object()) return wrong("\"kinds\" has to be an object of kinds and their options");
  for (const auto& [name, options] : kinds.items()) {
    auto kind = read_plan_kind(name, options);
    if (!kind) return std::move(kind).error().with_context("\"kinds\": " + name);
    kit.kinds.push_back(*std::move(kind));
  }
  WEFT_TRY(pairs, read_pairs(json));
  for (const auto& [own, value] : pairs) {
    WEFT_TRY(found, find(place.names, value, place.nodes));
    kit.inputs.push_back({own, found.type});
    inputs.push_back(found);
  }
  const PlanLimits usual;
  WEFT_TRY(steps,
           integer_or(json, "steps_max", static_cast<std::int64_t>(usual.steps_max), 1, kStepsMax));
  WEFT_TRY(depth,
           integer_or(json, "depth_max", static_cast<std::int64_t>(usual.depth_max), 1, kStepsMax));
  kit.limits.steps_max = static_cast<std::size_t>(steps);
  kit.limits.depth_max = static_cast<std::size_t>(depth);
  WEFT_TRY_VOID(check(kit));
  return kit;
}

Result<Reader::Named> Reader::read_drafts(const Place& place, const PlanKit& kit) {
  const CodeKind& llm = code_kinds().front();
  WEFT_TRY(task, read_template(place.json, "prompt"));
  Json ask = Json::object();
  for (const std::string& key : with(llm.keys, kPolicyKeys)) {
    if (place.json.contains(key)) ask[key] = place.json[key];
  }
  ask.erase("prompt_file");
  ask["kind"] = llm.name;
  ask["schema"] = plan_schema(kit).dump();
  ask["prompt"] = escaped(plan_instructions(kit)) + "\n" + task.source();
  const auto called = [&](const char* what) { return place.name + " " + what; };
  const std::string draft = called("draft");
  WEFT_TRY_VOID(read_code({ask, place.nodes, place.names, draft, place.depth}, llm));
  WEFT_TRY(replans, integer_or(place.json, "replans", 1, 0, 1));
  const Named first = place.names.here.at(draft);
  if (replans == 0) return first;

  const std::string mistake = called("mistake");
  WEFT_TRY(told, add_code(place, mistake, plan_mistake_function(kit), {}, {first}));
  auto is_empty =
      make_function<std::string>([](Ctx&, const std::string& text) { return text.empty(); });
  const std::string fits = called("fits");
  WEFT_TRY_VOID(add_code(place, fits, std::move(is_empty), {}, {told}));
  const std::string again = called("again");
  ask["name"] = again;
  ask["prompt"] = ask["prompt"].get<std::string>() +
                  "\n\nThis plan was refused:\n{{plan_draft}}\n\nBecause: {{plan_mistake}}\n\n"
                  "Write the plan again, without that mistake.";
  ask["inputs"] = {{"plan_draft", draft}, {"plan_mistake", mistake}};
  const Json branch = {{"kind", "branch"},
                       {"if", fits},
                       {"then", {{"nodes", Json::array()}, {"result", draft}}},
                       {"else", {{"nodes", Json::array({ask})}, {"result", again}}}};
  const std::string made = called("made");
  WEFT_TRY_VOID(read_branch({branch, place.nodes, place.names, made, place.depth}));
  return place.names.here.at(made);
}

Result<void> Reader::read_plan(const Place& place) {
  const Json& json = place.json;
  const bool is_given = json.contains("from");
  Names keys = kPlanKeys;
  if (!is_given) {
    keys = with(with(keys, code_kinds().front().keys), with(kPolicyKeys, {"replans"}));
    for (const char* own : {"samples", "schema", "schema_file", "grammar", "regex"}) {
      std::erase(keys, own);
    }
  }
  WEFT_TRY_VOID(only(json, keys));
  std::vector<Named> inputs;
  WEFT_TRY(kit, read_plan_kit(place, inputs));
  WEFT_TRY(type_name, text_or(json, "gives", "json"));
  WEFT_TRY(output, graph_type(type_name));
  WEFT_TRY(document,
           is_given ? find_key(place.names, json, "from", place.nodes) : read_drafts(place, kit));
  if (document.type != type_of<std::string>() && document.type != type_of<Json>()) {
    return wrong("\"from\" has to be a plan as json or text, not of type " + document.type->name);
  }
  std::vector<Slot> slots = {document.slot};
  for (const Named& input : inputs) slots.push_back(input.slot);
  const Slot slot = place.graph().add_plan(
      place.name, plan_function(std::move(kit), document.type, output), std::move(slots));
  return define(place.names, place.name, slot, output);
}

}  // namespace weft::planner::file
