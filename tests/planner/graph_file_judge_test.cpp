#include <catch2/catch.hpp>
#include <functional>
#include <nlohmann/json.hpp>

#include "planner/graph_file.h"
#include "planner/runtime.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;
using Text = std::string;

/// A model whose answers a test makes from the prompts.
class ScriptedNodes final : public PromptNodes {
 public:
  explicit ScriptedNodes(std::function<Text(const Text&)> reply) : reply_(std::move(reply)) {}

  FunctionPtr prompt(PromptNode node) override {
    auto made = std::make_shared<Function>();
    made->inputs.assign(node.prompt.names().size(), type_of<Text>());
    made->output = type_of<Text>();
    made->run = [this, node](Ctx&, Arguments in) -> Result<Value> {
      std::vector<std::string_view> texts;
      for (const Value* value : in) texts.push_back(value->as<Text>());
      WEFT_TRY(prompt, node.prompt.render_in_order(texts));
      ++asked;
      return make_value(reply_(prompt.text));
    };
    return made;
  }
  Result<void> hold(PromptNode&, const AnswerForm&) override { return {}; }
  Policy policy_of(const PromptNode&) const override { return {}; }

  int asked = 0;

 private:
  std::function<Text(const Text&)> reply_;
};

/// Each answer scored by how many "x" it has and, because it prefers that place, the first one by
/// `bonus` more.
Text scores(const Text& prompt, int bonus) {
  Text line;
  for (std::size_t at = prompt.find("[Answer "); at != Text::npos;
       at = prompt.find("[Answer ", at + 1)) {
    const std::size_t begin = prompt.find('\n', at) + 1;
    const Text answer = prompt.substr(begin, prompt.find('\n', begin) - begin);
    const auto score = std::count(answer.begin(), answer.end(), 'x') + (line.empty() ? bonus : 0);
    if (!line.empty()) line += ' ';
    line += std::to_string(score);
  }
  return line + "\nbecause";
}

/// The value of a graph of one judge over the inputs a = "x", b = "xxx", c = "xx" and q.
Json judged(const Text& judge, PromptNodes& model) {
  const Text file = R"({"format": "weft-graph-1", "inputs": [
    {"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "q"}], "nodes": [
    {"name": "verdict", "kind": "judge", )" +
                    judge + R"(}], "result": "verdict"})";
  GraphParts parts;
  parts.model = &model;
  const auto loaded = load_graph(file, parts);
  if (!loaded) return loaded.error().message;
  const auto inputs =
      Inputs().set<Text>("a", "x").set<Text>("b", "xxx").set<Text>("c", "xx").set<Text>("q", "why");
  VirtualExecutor executor;
  auto run = Runtime(executor).run_any(loaded->program, inputs, {});
  if (!run) return run.error().message;
  const auto value = run->wait_value();
  return value ? to_json(*value) : Json(value.error().message);
}

TEST_CASE("a judge of a pair scores it both ways round, so that a place doesn't win") {
  ScriptedNodes model([](const Text& prompt) { return scores(prompt, 1); });
  const Text pair = R"("inputs": {"question": "q", "first": "a", "second": )";
  CHECK(judged(pair + R"("b"})", model) == "second");
  CHECK(model.asked == 2);
  CHECK(judged(pair + R"("a"})", model) == "tie");
  CHECK(judged(pair + R"("a"}, "swap": false)", model) == "first");
  CHECK(model.asked == 5);
  CHECK(judged(pair + R"("c"}, "margin": 1)", model) == "tie");
  CHECK(judged(pair + R"("c"}, "margin": 0.5)", model) == "second");
}

TEST_CASE("a judge of a pair may be asked in words of its own, for 1 or 2") {
  ScriptedNodes model([](const Text& prompt) {
    return prompt.find("xxx") < prompt.find(" or ") ? "1" : "It is 2.";
  });
  const Text pair = R"("prompt": "{{first}} or {{second}}?", "inputs": {"first": )";
  CHECK(judged(pair + R"("b", "second": "a"})", model) == "first");
  CHECK(judged(pair + R"("a", "second": "b"})", model) == "second");
  CHECK(judged(pair + R"("a", "second": "c"})", model) == "tie");
  CHECK(judged(pair + R"("a", "second": "c"}, "swap": false)", model) == "second");
  CHECK(judged(pair + R"("a", "second": "c"}, "margin": 1)", model)
            .get<Text>()
            .find("node verdict: \"margin\" is of scores") == 0);
}

TEST_CASE("a judge of several gives each its mean score, one beside a reference its own") {
  ScriptedNodes model([](const Text& prompt) { return scores(prompt, 1); });
  CHECK(judged(R"("of": "multi", "inputs": {"question": "q", "answer_1": "a", "answer_2": "b",
                  "answer_3": "c"})",
               model) == Json({1.5, 3, 2.5}));
  CHECK(judged(R"("of": "multi", "swap": false, "inputs": {"question": "q", "answer_1": "a",
                  "answer_2": "b", "reference": "c"})",
               model) == Json({2, 3}));
  CHECK(judged(R"("of": "single", "inputs": {"question": "q", "answer": "c", "reference": "b"})",
               model) == 2);
  ScriptedNodes mute([](const Text&) { return "I can't say."; });
  CHECK(judged(R"("of": "single", "inputs": {"question": "q", "answer": "c", "reference": "b"})",
               mute)
            .get<Text>() ==
        "node verdict: its first line has no 2 scores of 0 to 10: I can't say.");
}

TEST_CASE("what a judge lacks, or has too much, is said") {
  ScriptedNodes model([](const Text&) { return "1"; });
  const auto mistake = [&](const Text& judge) { return judged(judge, model).get<Text>(); };
  CHECK(mistake(R"("inputs": {"first": "a"})") ==
        "node verdict: \"inputs\" has to be an object with \"first\", \"second\", \"question\"");
  CHECK(mistake(R"("of": "single", "inputs": {"question": "q", "answer": "a"})")
            .find("\"reference\"") != Text::npos);
  CHECK(mistake(R"("of": "multi", "inputs": {"question": "q", "answer_1": "a", "answer_3": "b"})")
            .find("\"answer_2\"") != Text::npos);
  CHECK(mistake(R"("of": "both", "inputs": {})") ==
        "node verdict: \"of\" is pair, single or multi, not both");
  CHECK(mistake(R"("of": "single", "swap": true, "inputs": {})").find("\"swap\"") != Text::npos);
  CHECK(mistake(R"("of": "multi", "prompt": "x", "inputs": {})").find("a prompt of its own") !=
        Text::npos);
}

}  // namespace
}  // namespace weft::planner
