#include "planner/nodes/tool.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "base/lanes.h"
#include "planner/graph.h"
#include "planner/json_value.h"
#include "planner/runtime.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;
using Text = std::string;

struct Fixture {
  explicit Fixture(tools::Policy policy = {.allows_all = true}) {
    auto filled = std::make_shared<tools::Registry>(std::move(policy));
    tools::Tool repeat;
    repeat.name = "repeat";
    repeat.effect = tools::EffectClass::kRead;
    repeat.arguments = tools::Schema::parse(Json::parse(R"({
        "type": "object", "required": ["text"], "additionalProperties": false,
        "properties": {"text": {"type": "string"}, "times": {"type": "integer", "maximum": 9}}})"))
                           .value();
    repeat.run = [this](const Json& arguments, const tools::ToolCall&) -> Result<Json> {
      ++calls;
      Text text;
      for (int i = arguments.value("times", 1); i > 0; --i) text += arguments["text"].get<Text>();
      return Json(text);
    };
    REQUIRE(filled->add(std::move(repeat)));
    registry = std::move(filled);
  }

  Result<Text> run(const ToolNode& node, const Json& constants) {
    WEFT_TRY(code, tool_function(node, constants));
    Graph g;
    WEFT_TRY(program, g.build(g.call<Text>("say", code, {}, g.input<Text>("text"))));
    return runtime.run(program, Inputs().set<Text>("text", "ab"));
  }
  ToolNode node() const {
    return {registry, "repeat", {{"text", type_of<Text>()}}, type_of<Text>()};
  }
  Text mistake(const ToolNode& node, const Json& constants = Json::object()) const {
    const auto made = tool_function(node, constants);
    return made ? "" : made.error().message;
  }

  int calls = 0;
  std::shared_ptr<const tools::Registry> registry;
  SystemTimers timers;
  Lanes lanes{Lanes::Options{}};
  ThreadExecutor executor{lanes, timers};
  Runtime runtime{executor};
};

TEST_CASE("a tool gets a node's inputs and its constants, and gives a typed value") {
  Fixture fixture;
  CHECK(fixture.run(fixture.node(), {{"times", 2}}).value() == "abab");
  ToolNode number = fixture.node();
  number.gives = type_of<double>();
  CHECK_FALSE(tool_function(number, Json::object()).value()->output == type_of<Text>());
}

TEST_CASE("arguments that can't be right are found before anything runs") {
  Fixture fixture;
  CHECK(fixture.mistake(fixture.node(), {{"times", 10}}) ==
        "its argument times: the value has to be at most 9, not 10");
  CHECK(fixture.mistake(fixture.node(), {{"text", "x"}}) == "its argument text is given twice");
  CHECK(fixture.mistake(fixture.node(), {{"tims", 1}}) ==
        "tool repeat has no argument tims; did you mean \"times\"?");
  CHECK(fixture.mistake({fixture.registry, "repeat", {}, type_of<Text>()})
            .starts_with("tool repeat needs the argument text, "));
  CHECK(fixture.mistake({fixture.registry, "repaet", {}, type_of<Text>()}) ==
        "there is no tool repaet; did you mean \"repeat\"?");
  CHECK_FALSE(fixture.mistake(fixture.node(), Json::array()).empty());
}

TEST_CASE("a denied tool isn't called, and the node says so") {
  Fixture fixture{tools::Policy{}};
  const auto denied = fixture.run(fixture.node(), Json::object());
  CHECK(denied.error().code == ErrorCode::kPermissionDenied);
  CHECK(denied.error().message.starts_with("node say: tool repeat (read) isn't allowed"));
  CHECK(fixture.calls == 0);
}

TEST_CASE("tools that only read may be tried again, others are called once") {
  tools::Tool tool;
  tool.effect = tools::EffectClass::kNetwork;
  CHECK(tool_policy(tool).effect == Effect::kIdempotent);
  tool.effect = tools::EffectClass::kExec;
  CHECK(tool_policy(tool).effect == Effect::kOnce);
}

}  // namespace
}  // namespace weft::planner
