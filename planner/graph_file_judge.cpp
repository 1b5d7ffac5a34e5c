// Nodes of kind "judge": a model that compares answers or scores them. It prefers a place as well
// as an answer, so it is asked twice, the second time with the answers the other way round.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "planner/graph_file_reader.h"
#include "planner/nodes/judge.h"

namespace weft::planner::file {
namespace {

constexpr double kMarginMax = 10;
constexpr std::size_t kAnswersMax = 100;

/// What one node of this kind asks and does with the replies.
struct Judge {
  Json inputs;         // of the prompt's places
  std::string prompt;  // empty: the node has its own
  Names answers;       // places whose values change places
  FunctionPtr code;    // of the reply, or of both
};

bool has_prompt(const Json& json) {
  return json.contains("prompt") || json.contains("prompt_file");
}

/// "inputs", which are these and perhaps a reference.
Result<Json> judged_inputs(const Json& json, const Names& names) {
  const Json inputs = json.value("inputs", Json::object());
  const auto has = [&](const std::string& name) { return inputs.contains(name); };
  if (inputs.is_object() && std::ranges::all_of(names, has)) return inputs;
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "\"" : ", \"") + name + "\"";
  return wrong("\"inputs\" has to be an object with " + all);
}

/// Answers in the places of judge_prompt(), which are called after their number.
Result<Judge> with_usual_prompt(const Json& json, Names names, FunctionPtr code) {
  const std::size_t count = names.size();
  Names wanted = names;
  wanted.emplace_back("question");
  if (count == 1) wanted.emplace_back("reference");
  WEFT_TRY(inputs, judged_inputs(json, wanted));
  wanted.emplace_back("reference");
  WEFT_TRY_VOID(only(inputs, wanted));
  Judge made{.inputs = inputs, .prompt = {}, .answers = {}, .code = std::move(code)};
  for (std::size_t i = 0; i < count; ++i) {
    const Json value = inputs[names[i]];
    made.inputs.erase(names[i]);
    made.answers.push_back("answer_" + std::to_string(i + 1));
    made.inputs[made.answers.back()] = value;
  }
  made.prompt =
      judge_prompt({.answers = count, .has_reference = inputs.contains("reference")}).source();
  return made;
}

Result<Judge> pair_judge(const Json& json, bool swaps) {
  WEFT_TRY(margin, number_or(json, "margin", 0, 0, kMarginMax));
  const Names names = {"first", "second"};
  if (!has_prompt(json)) return with_usual_prompt(json, names, verdict_function(margin, swaps));
  if (json.contains("margin")) {
    return wrong("\"margin\" is of scores, and its own prompt asks for 1 or 2: leave one out");
  }
  WEFT_TRY(inputs, judged_inputs(json, names));
  return Judge{.inputs = inputs, .prompt = {}, .answers = names, .code = choice_function(swaps)};
}

Result<Judge> multi_judge(const Json& json, bool swaps) {
  const Json inputs = json.value("inputs", Json::object());
  Names names;
  for (std::size_t i = 1; i <= kAnswersMax; ++i) {
    std::string name = "answer_" + std::to_string(i);
    if (i > 2 && !(inputs.is_object() && inputs.contains(name))) break;
    names.push_back(std::move(name));
  }
  const std::size_t count = names.size();
  return with_usual_prompt(json, std::move(names), mean_scores_function(count, swaps));
}

Result<Judge> judge_of(const std::string& what, const Json& json, bool swaps) {
  if (what != "pair" && what != "single" && what != "multi") {
    return wrong("\"of\" is pair, single or multi, not " + what);
  }
  if (what == "pair") return pair_judge(json, swaps);
  if (has_prompt(json)) return wrong("a prompt of its own only a judge of a pair can have");
  if (json.contains("margin")) return wrong("\"margin\" only a judge of a pair can have");
  if (what == "multi") return multi_judge(json, swaps);
  if (json.contains("swap")) {
    return wrong("\"swap\" a judge of a single answer can't have: the reference stands first");
  }
  return with_usual_prompt(json, {"answer"}, single_score_function());
}

}  // namespace

Result<void> Reader::read_judge(const Place& place) {
  const CodeKind& llm = code_kinds().front();
  const Json& json = place.json;
  Names keys = with(with(with(kNodeKeys, llm.keys), kPolicyKeys), {"of", "swap", "margin"});
  std::erase(keys, "samples");  // one verdict a place
  WEFT_TRY_VOID(only(json, keys));
  WEFT_TRY(what, text_or(json, "of", "pair"));
  WEFT_TRY(swap, bool_or(json, "swap", true));
  const bool swaps = swap && what != "single";
  WEFT_TRY(judge, judge_of(what, json, swaps));

  Json ask = json;
  for (const char* own : {"of", "swap", "margin"}) ask.erase(own);
  ask["kind"] = llm.name;
  if (!judge.prompt.empty()) ask["prompt"] = judge.prompt;
  ask["inputs"] = judge.inputs;
  std::vector<Named> replies;
  const auto add = [&](const std::string& name) -> Result<void> {
    WEFT_TRY_VOID(read_code({ask, place.nodes, place.names, name, place.depth}, llm));
    replies.push_back(place.names.here.at(name));
    return {};
  };
  WEFT_TRY_VOID(add(place.name + " in order"));
  if (swaps) {
    const std::size_t count = judge.answers.size();
    for (std::size_t i = 0; i < count; ++i) {
      ask["inputs"][judge.answers[i]] = judge.inputs[judge.answers[count - 1 - i]];
    }
    WEFT_TRY_VOID(add(place.name + " swapped"));
  }
  WEFT_TRY_VOID(add_code(place, place.name, judge.code, {}, replies));
  return {};
}

}  // namespace weft::planner::file
