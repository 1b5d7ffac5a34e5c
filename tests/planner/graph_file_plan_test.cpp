#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/lanes.h"
#include "planner/graph_file.h"
#include "planner/nodes/model.h"
#include "planner/runtime.h"
#include "tests/inference/temporary_model.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;
using Text = std::string;

const Text kTools = R"("tools": [
  {"name": "echo", "argv": ["/bin/cat"], "effect": "read", "timeout_s": 5,
   "arguments": {"type": "object", "required": ["text"], "additionalProperties": false,
                 "properties": {"text": {"type": "string"}}}}])";

/// A graph of one node, on the text inputs "plan" and "question".
Text file(const Text& node) {
  return R"({"format": "weft-graph-1", "inputs": [{"name": "plan"}, {"name": "the_question"}],)" +
         kTools + R"(, "nodes": [)" + node + R"(], "result": "work"})";
}

const Text kFromText = file(R"({"name": "work", "kind": "plan", "from": "plan", "gives": "text",
  "inputs": {"question": "the_question"}, "steps_max": 3})");

struct Fixture {
  Text run(const Text& json, const Text& plan) {
    const auto loaded = load_graph(json, parts);
    if (!loaded) return loaded.error().message;
    const auto inputs = Inputs().set("plan", plan).set<Text>("the_question", "why");
    auto run = runtime.run_any(loaded->program, inputs, {});
    if (!run) return run.error().message;
    const auto value = run->wait_value();
    return value ? value->as<Text>() : value.error().message;
  }

  SystemTimers timers;
  Lanes lanes{Lanes::Options{}};
  ThreadExecutor executor{lanes, timers};
  Runtime runtime{executor};
  GraphParts parts{.tools = {.allows_all = true}};
};

TEST_CASE("a file's plan node runs the steps of a text, with the file's tools") {
  Fixture fixture;
  CHECK(fixture.run(kFromText, R"({"steps": [
      {"id": "a", "tool": "echo", "arguments": {"text": "$question?"}},
      {"id": "b", "tool": "echo", "arguments": {"text": "${a/text} $question"}}],
    "result": "b"})") == R"({"text":"why? why"})");
  CHECK(fixture.run(kFromText, R"({"steps": [{"id": "a", "tool": "ehco"}], "result": "a"})") ==
        "node work: step a: there is no tool ehco; did you mean \"echo\"?");
  CHECK(fixture.run(kFromText, "no") == "node work: the plan: it isn't valid JSON from byte 2 on");
}

TEST_CASE("programs that a plan may call have to be allowed before anything runs") {
  const auto loaded = load_graph(kFromText, {});
  REQUIRE(loaded);
  CHECK(loaded->denied_tools == std::vector<Text>{"echo"});
  CHECK_FALSE(loaded->uses_model);
}

TEST_CASE("the model writes a plan under the plans' schema and is told of a mistake once") {
  Fixture fixture;
  const std::shared_ptr<const inference::Model> weights = inference::tiny(
      {.context_length = 4096}, *inference::cpu_backend(2, inference::cpu::best_level(), {}));
  auto engine = inference::Engine::open(weights).value();
  ModelNodes model(engine, fixture.lanes.model());
  fixture.parts.model = &model;
  const auto node = [](const Text& more) {
    return file(
        R"({"name": "work", "kind": "plan", "raw": true, "prompt": "{{the_question}}{{plan}}",
                    "gives": "text", "kinds": {"llm": {"max_tokens": 3}}, "prompt_tokens_max": 4000,
                    "max_tokens": 8)" +
        more + "}");
  };
  const auto loaded = load_graph(node(""), fixture.parts);
  INFO((loaded ? "" : loaded.error().message));
  REQUIRE(loaded);
  CHECK(loaded->uses_model);
  const Text picture = loaded->program.mermaid();
  for (const char* name : {"work draft", "work mistake", "work again"}) {
    CHECK(picture.find(name) != Text::npos);
  }
  const auto once = load_graph(node(R"(, "replans": 0)"), fixture.parts);
  REQUIRE(once);
  CHECK(once->program.mermaid().find("work again") == Text::npos);
  // Eight tokens of random weights are the beginning of a plan, and no whole one.
  CHECK(fixture.run(node(""), "").substr(0, 42) == "node work: the plan: it isn't valid JSON f");
  const Text two = node(R"(, "replans": 2)");
  CHECK(load_graph(two, fixture.parts).error().message.find("whole number from 0 to 1") !=
        Text::npos);
}

TEST_CASE("llm nodes hold answers to a schema, a grammar or an expression") {
  Fixture fixture;
  const std::shared_ptr<const inference::Model> weights =
      inference::tiny({}, *inference::cpu_backend(2, inference::cpu::best_level(), {}));
  auto engine = inference::Engine::open(weights).value();
  ModelNodes model(engine, fixture.lanes.model());
  fixture.parts.model = &model;
  const auto node = [](const Text& form) {
    return file(R"({"name": "work", "kind": "llm", "raw": true, "max_tokens": 40,
                    "prompt": "{{plan}}{{the_question}}", )" +
                form + "}");
  };
  CHECK(fixture.run(node(R"("regex": "(ab){2}")"), "x") == "abab");
  CHECK(fixture.run(node(R"("grammar": "root ::= \"b\" \"a\"")"), "x") == "ba");
  CHECK(fixture.run(node(R"("schema": {"enum": ["a"]})"), "x") == "\"a\"");
  CHECK(fixture.run(node(R"("schema": "{\"enum\": [\"a\"]}")"), "x") == "\"a\"");
  const auto mistake = [&](const Text& form) {
    const auto loaded = load_graph(node(form), {});  // found without a model
    return loaded ? "" : loaded.error().message;
  };
  CHECK(mistake(R"("schema": {"type": "txet"})").starts_with("node work: \"schema\": "));
  CHECK(mistake(R"("regex": "a", "grammar": "b")") ==
        "node work: give either \"grammar\" or \"regex\"");
  CHECK(mistake(R"("schema_file": "/none")") == "node work: /none can't be read");
}

}  // namespace
}  // namespace weft::planner
