#include "planner/graph_file.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/lanes.h"
#include "planner/nodes/model.h"
#include "planner/runtime.h"
#include "tests/inference/temporary_model.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;
using Text = std::string;

/// A file of these nodes, the result being the last one's.
Text file(const Text& nodes, const Text& more = "") {
  const Json list = Json::parse(nodes);
  return R"({"format": "weft-graph-1", "inputs": [{"name": "text"}, {"name": "n", "type": "number"}],
    "nodes": )" +
         nodes + R"(, "result": )" + list.back()["name"].dump() + more + "}";
}

Text mistake(const Text& json) {
  const auto loaded = load_graph(json, {});
  return loaded ? "" : loaded.error().message;
}

struct Fixture {
  SystemTimers timers;
  Lanes lanes{Lanes::Options{}};
  ThreadExecutor executor{lanes, timers};
  Runtime runtime{executor};
  GraphParts parts;

  /// The result as JSON, or the error.
  Json run(const Text& json, const Text& text = "") {
    const auto loaded = load_graph(json, parts);
    if (!loaded) return loaded.error().message;
    Inputs inputs;
    for (const Input& input : loaded->program.body().inputs) {
      if (input.name == "text") inputs.set("text", text);
      if (input.name == "n") inputs.set("n", 1.5);
    }
    auto run = runtime.run_any(loaded->program, inputs, {.limit = loaded->budget});
    if (!run) return run.error().message;
    const auto value = run->wait_value();
    if (!value) return value.error().message;
    return to_json(*value);
  }
};

TEST_CASE("code nodes compute, each from the values it names") {
  Fixture fixture;
  CHECK(fixture.run(file(R"([
    {"name": "lines", "kind": "split_lines", "inputs": ["text"]},
    {"name": "count", "kind": "count", "inputs": ["lines"]},
    {"name": "shown", "kind": "show", "inputs": ["count"]},
    {"name": "number", "kind": "show", "inputs": ["n"]},
    {"name": "all", "kind": "join", "separator": "+", "inputs": ["lines"]},
    {"name": "said", "kind": "format", "format": "{{all}}={{c}} {{number}}", "inputs": {"c": "shown"}}
  ])"),
                    "a\n\nb\n") == "a+b=2 1.5");
  CHECK(fixture.run(file(R"([
    {"name": "parsed", "kind": "parse_json", "inputs": ["text"]},
    {"name": "x", "kind": "pick", "pointer": "/a/1", "gives": "number", "inputs": ["parsed"]}
  ])"),
                    R"({"a": [1, 2.5]})") == 2.5);
  CHECK(fixture.run(file(R"([
    {"name": "ends", "kind": "split_blocks", "bytes_max": 4, "inputs": ["text"]},
    {"name": "won", "kind": "vote", "inputs": ["ends"]}
  ])"),
                    "abc abd abd ") == "abd ");
}

TEST_CASE("graphs inside see values from outside, and give lists, states and one of two sides") {
  Fixture fixture;
  CHECK(fixture.run(file(R"([
    {"name": "lines", "kind": "split_lines", "inputs": ["text"]},
    {"name": "each", "kind": "map", "over": "lines", "as": "line", "result": "both", "nodes": [
      {"name": "both", "kind": "concat", "separator": ":", "inputs": ["line", "text"]}]}
  ])"),
                    "a\nb") == Json({"a:a\nb", "b:a\nb"}));
  CHECK(fixture.run(file(R"([
    {"name": "grown", "kind": "loop", "from": "text", "as": "now", "iterations_max": 9,
     "result": "more", "until": "enough", "nodes": [
      {"name": "more", "kind": "concat", "inputs": ["now", "text"]},
      {"name": "enough", "kind": "contains", "text": "xxxx", "inputs": ["more"]}]}
  ])"),
                    "x") == "xxxx");
  const Text branch = file(R"([
    {"name": "yes", "kind": "contains", "text": "x", "inputs": ["text"]},
    {"name": "said", "kind": "branch", "if": "yes",
     "then": {"nodes": [{"name": "a", "kind": "concat", "inputs": ["text", "text"]}], "result": "a"},
     "else": {"nodes": [], "result": "text"}}
  ])");
  CHECK(fixture.run(branch, "x") == "xx");
  CHECK(fixture.run(branch, "y") == "y");
}

TEST_CASE("a map may skip what fails, and a tree joins level by level") {
  Fixture fixture;
  const Text map = R"([
    {"name": "lines", "kind": "split_lines", "inputs": ["text"]},
    {"name": "numbers", "kind": "map", "over": "lines", "as": "line", "on_error": "skip",
     "result": "number", "nodes": [
      {"name": "number", "kind": "parse_number", "inputs": ["line"]}]},
    {"name": "all", "kind": "sum", "inputs": ["numbers"]}
  ])";
  CHECK(fixture.run(file(map), "1\nno\n2.5") == 3.5);
  CHECK(fixture.run(file(R"([
    {"name": "lines", "kind": "split_lines", "inputs": ["text"]},
    {"name": "all", "kind": "tree", "over": "lines", "as": "group", "fan_in": 2, "separator": "",
     "result": "wrapped", "nodes": [
      {"name": "wrapped", "kind": "format", "format": "<{{group}}>"
}]
}
  ])"),
                    "a\nb\nc") == "<<ab><c>>");
}

TEST_CASE("programs are tools: denied at first, then run, with their failures told") {
  Fixture fixture;
  const Text tools = R"(, "tools": [
    {"name": "size", "argv": ["/bin/sh", "-c", "cat; echo >&2"], "effect": "read", "timeout_s": 5,
     "arguments": {"type": "object", "required": ["text"], "additionalProperties": false,
                   "properties": {"text": {"type": "string"}, "unit": {"enum": ["byte"]}}}}])";
  const Text calls = R"([
    {"name": "asked", "kind": "tool", "tool": "size", "inputs": ["text"],
     "arguments": {"unit": "byte"}},
    {"name": "unit", "kind": "pick", "pointer": "/unit", "gives": "text", "inputs": ["asked"]}])";
  CHECK(load_graph(file(calls, tools), {})->denied_tools == std::vector<Text>{"size"});
  CHECK(fixture.run(file(calls, tools))
            .get<Text>()
            .starts_with("node asked: tool size (read) "
                         "isn't allowed"));
  fixture.parts.tools.names = {"size"};
  CHECK(load_graph(file(calls, tools), fixture.parts)->denied_tools.empty());
  CHECK(fixture.run(file(calls, tools), "x") == "byte");
  CHECK(fixture
            .run(file(R"([{"name": "asked", "kind": "tool", "tool": "size", "gives": "int",
                              "inputs": {"text": "text"}}])",
                      tools))
            .get<Text>()
            .starts_with("node asked: tool size: its result: "));
  CHECK(mistake(file(R"([{"name": "asked", "kind": "tool", "tool": "size"}])", tools))
            .starts_with("node asked: tool size needs the argument text"));
  CHECK(mistake(file(R"([{"name": "asked", "kind": "tool", "tool": "sise",
                          "inputs": ["text"]}])",
                     tools)) == "node asked: there is no tool sise; did you mean \"size\"?");
}

TEST_CASE("llm nodes ask the model: places read values of their names, judges ask twice") {
  Fixture fixture;
  const std::shared_ptr<const inference::Model> weights =
      inference::tiny({}, *inference::cpu_backend(2, inference::cpu::best_level(), {}));
  auto engine = inference::Engine::open(weights).value();
  ModelNodes model(engine, fixture.lanes.model());
  fixture.parts.model = &model;
  fixture.parts.weights = weights;
  const Text asks = R"([
    {"name": "samples", "kind": "llm", "raw": true, "prompt": "Say {{text}}", "samples": 3,
     "temperature": 1, "max_tokens": 3},
    {"name": "best", "kind": "judge", "raw": true, "max_tokens": 2,
     "prompt": "{{first}} or {{second}}?", "inputs": {"first": "text", "second": "text"}},
    {"name": "count", "kind": "count", "inputs": ["samples"]},
    {"name": "c", "kind": "show", "inputs": ["count"]},
    {"name": "all", "kind": "concat", "inputs": ["c", "best"]}])";
  const auto loaded = load_graph(file(asks), fixture.parts);
  INFO((loaded ? "" : loaded.error().message));
  REQUIRE(loaded);
  CHECK(loaded->uses_model);
  CHECK(fixture.run(file(asks), "x") == "3tie");
  CHECK(fixture.run(file(R"([
    {"name": "options", "kind": "split_lines", "inputs": ["text"]},
    {"name": "likely", "kind": "score", "mean": true, "inputs": ["text", "options"]},
    {"name": "best", "kind": "select", "inputs": ["options", "likely"]}])"),
                    "x") == "x");
  CHECK(mistake(file(R"([{"name": "a", "kind": "llm", "prompt": "{{text}}", "samples": 2}])"))
            .find("set \"temperature\" above 0") != Text::npos);
  // Without a model it can be looked at, and not be run.
  fixture.parts.model = nullptr;
  CHECK(load_graph(file(asks), fixture.parts)->program.mermaid().find("judge") == Text::npos);
  CHECK(fixture.run(file(asks)).get<Text>().find("loaded without a model") != Text::npos);
  // A budget that one node alone exceeds is known before anything runs.
  CHECK(fixture.run(file(asks, R"(, "budget": {"output_tokens": 5})"))
            .get<Text>()
            .find("the whole budget is 5") != Text::npos);
}

TEST_CASE("mistakes name the node and say what was meant") {
  CHECK(mistake("{}") == "\"format\" is missing");
  CHECK(mistake(R"({"format": "weft-graph-1", "nodse": []})") ==
        "\"nodse\" isn't known here; did you mean \"nodes\"?");
  CHECK(mistake(file(R"([{"name": "a", "kind": "splitlines", "inputs": ["text"]}])")) ==
        "node a: there is no kind of node \"splitlines\"; did you mean \"split_lines\"?");
  CHECK(mistake(file(R"([{"name": "a", "kind": "join", "seperator": "", "inputs": ["text"]}])")) ==
        "node a: \"seperator\" isn't known here; did you mean \"separator\"?");
  CHECK(mistake(file(R"([{"name": "a", "kind": "split_lines", "inputs": ["txet"]}])")) ==
        "node a: its input txet is no input of the graph and no node before it; did you mean "
        "\"text\"?");
  CHECK(mistake(file(R"([{"name": "a", "kind": "join", "inputs": ["text"]}])")) ==
        "node a: its input 1 is of type text, but list<text> is needed");
  CHECK(mistake(file(R"([{"name": "a", "kind": "split_lines", "inputs": ["n"]}])"))
            .find("is of type number, but text is needed: put a node of kind \"show\"") !=
        Text::npos);
  CHECK(mistake(file(R"([{"name": "a", "kind": "concat", "inputs": ["b"]},
                         {"name": "b", "kind": "concat", "inputs": ["a"]}])"))
            .find("node a: its input b is a node that comes later, or itself") == 0);
  CHECK(mistake(file(R"([{"name": "text", "kind": "concat", "inputs": ["text"]}])")) ==
        "node text: two nodes or inputs are called text: give one another name");
  CHECK(mistake(file(R"([{"name": "a", "kind": "concat", "inputs": ["text"]},
                         {"name": "b", "kind": "concat", "inputs": ["text"]}])")) ==
        "node a: nothing reads its value: remove it, or use it");
  CHECK(mistake(file(R"([{"name": "m", "kind": "map", "over": "text", "as": "x", "nodes": [],
                          "result": "x"}])")) ==
        "node m: \"over\" has to be a list, not of type text");
  CHECK(mistake(file(R"([{"name": "l", "kind": "split_lines", "inputs": ["text"]},
    {"name": "m", "kind": "map", "over": "l", "as": "x", "result": "y", "nodes": [
      {"name": "y", "kind": "count", "inputs": ["x"]}]}])")) ==
        "node m: node y: it counts the elements of a list, not of a value of type text");
  CHECK(mistake(file(R"([{"name": "a", "kind": "llm", "prompt": "{{txt}}"}])"))
            .find("node a: its input txt is no input") == 0);
  CHECK(
      mistake(file(R"([{"name": "a", "kind": "llm", "prompt": "{{text}}", "inputs": {"b": "n"}}])"))
          .find("node a: its template has no place {{b}}") == 0);
  CHECK(mistake(file(R"([{"name": "a/b", "kind": "concat", "inputs": ["text"]}])"))
            .find("the name \"a/b\"") != Text::npos);
  CHECK(mistake(file(R"([{"name": "a", "kind": "concat", "inputs": ["text"], "effect": "once",
                          "attempts": 2}])"))
            .find("node a: its effect is \"once\"") == 0);
}

TEST_CASE("hostile files end in an error") {
  for (
      const Text& json :
      {Text(), Text("[]"), Text("7"), Text(100'000, '['),
       Text(R"({"format": "weft-graph-1", "nodes": 7, "result": "a"})"),
       Text(R"({"format": "weft-graph-1", "nodes": [7], "result": "a"})"),
       Text(R"({"format": "weft-graph-1", "nodes": [], "result": 7})"),
       Text(R"({"format": "weft-graph-1", "nodes": [], "result": "a", "result": "b"})"),
       Text(
           R"({"format": "weft-graph-1", "inputs": [{"name": "a", "type": "list<list<list<text>>>"}],
                 "nodes": [], "result": "a"})"),
       file(R"([{"name": "a", "kind": "llm", "prompt": "x", "max_tokens": 1e300}])"),
       file(R"([{"name": "a", "kind": "llm", "prompt": "x", "max_tokens": 99999999999999999999}])"),
       file(R"([{"name": "a", "kind": "llm", "prompt": "x", "seed": -1}])"),
       file(R"([{"name": "a", "kind": "llm", "prompt": "x", "timeout_s": 1e18}])"),
       file(R"([{"name": "a", "kind": "tool", "tool": {}}])"),
       file(R"([{"name": "a", "kind": "vote", "lead": true, "inputs": ["text"]}])"),
       file(R"([{"name": "a", "kind": "judge", "prompt": "x", "inputs": ["text"]}])"),
       file(R"([{"name": "a", "kind": "branch", "if": "text", "then": 1, "else": 2}])"),
       file(R"([{"name": "a", "kind": "scope", "budget": {"calls": -1}, "nodes": [],
                  "result": "text"}])")}) {
    INFO(json.substr(0, 300));
    CHECK_FALSE(mistake(json).empty());
  }
  Text deep = R"({"name": "s", "kind": "scope", "budget": {}, "result": "text", "nodes": []})";
  for (int i = 0; i < 20; ++i) {
    deep = R"({"name": "s)" + std::to_string(i) +
           R"(", "kind": "scope", "budget": {}, "result": "s", "nodes": [)" + deep + "]}";
  }
  CHECK(mistake(file("[" + deep + "]")).find("too many graphs inside") != Text::npos);
}

TEST_CASE("the published schema knows every kind and key that the reader does") {
  const Json schema = Json::parse(graph_schema());
  std::size_t kinds = 0;
  for (const Json& node : schema["$defs"]["node"]["anyOf"]) {
    const Text kind = node["properties"]["kind"]["const"];
    ++kinds;
    // A node with a key that nobody knows is refused with all that are known here, and so are
    // these.
    Json keys = {{"name", "a"}, {"kind", kind}, {"~", 1}};
    const Text known = mistake(file(Json::array({keys}).dump()));
    INFO(known);
    CHECK(known.find("\"~\" isn't known here; what is: ") != Text::npos);
    std::size_t count = 0;
    for (const auto& [key, unused] : node["properties"].items()) {
      CHECK(known.find(key) != Text::npos);
      ++count;
    }
    CHECK(static_cast<std::size_t>(std::count(known.begin(), known.end(), ',')) + 1 == count);
  }
  const Text all = mistake(file(R"([{"name": "a", "kind": "~"}])"));
  CHECK(static_cast<std::size_t>(std::count(all.begin(), all.end(), ',')) + 1 == kinds);
}

}  // namespace
}  // namespace weft::planner
