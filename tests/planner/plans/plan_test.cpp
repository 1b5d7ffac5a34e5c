#include "planner/plans/plan.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <functional>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/lanes.h"
#include "base/random.h"
#include "inference/grammar/json_schema.h"
#include "planner/graph.h"
#include "planner/runtime.h"
#include "tests/fakes/naive_grammar.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;
using Text = std::string;

tools::Tool tool(const Text& name, const char* schema,
                 std::function<Result<Json>(const Json&, const tools::ToolCall&)> run) {
  tools::Tool made;
  made.name = name;
  made.effect = tools::EffectClass::kRead;
  made.arguments = tools::Schema::parse(Json::parse(schema)).value();
  made.run = std::move(run);
  return made;
}

/// Tools: "repeat" (a text, so many times), "pair" (two texts as {"first", "second"}), "meet"
/// (waits until two of them run), and "secret", which isn't allowed. "shout" is a kind.
struct Fixture {
  Fixture() {
    auto filled = std::make_shared<tools::Registry>(
        tools::Policy{.names = {"repeat", "pair", "meet"}, .effects = {}});
    REQUIRE(filled->add(tool("repeat", R"({"type": "object", "required": ["text"],
        "additionalProperties": false, "properties": {"text": {"type": "string"},
        "times": {"type": "integer", "minimum": 1, "maximum": 9}}})",
                             [this](const Json& in, const tools::ToolCall&) -> Result<Json> {
                               ++calls;
                               Text text;
                               for (int i = in.value("times", 1); i > 0; --i) {
                                 text += in["text"].get<Text>();
                               }
                               return Json(text);
                             })));
    REQUIRE(filled->add(tool("pair", R"({"type": "object", "required": ["first", "second"],
        "additionalProperties": false, "properties": {"first": {}, "second": {}}})",
                             [this](const Json& in, const tools::ToolCall&) -> Result<Json> {
                               ++calls;
                               return in;
                             })));
    REQUIRE(filled->add(tool("meet", R"({"type": "object"})",
                             [this](const Json&, const tools::ToolCall&) -> Result<Json> {
                               // Only another one that runs meanwhile lets this one go on.
                               std::unique_lock lock(mutex);
                               ++waiting;
                               wake.notify_all();
                               const bool met = wake.wait_for(lock, std::chrono::seconds(20),
                                                              [this] { return waiting == 2; });
                               return Json(met);
                             })));
    REQUIRE(filled->add(tool("secret", R"({"type": "object"})",
                             [this](const Json&, const tools::ToolCall&) -> Result<Json> {
                               ++calls;
                               return Json();
                             })));
    kit.registry = std::move(filled);
    kit.tools = {"repeat", "pair", "meet", "secret"};
    kit.kinds = {{"shout",
                  "text",
                  "",
                  make_function<Text>([](Ctx&, const Text& text) { return text + "!"; }),
                  {}}};
    kit.inputs = {{"question", type_of<Text>()}, {"n", type_of<std::int64_t>()}};
  }

  Text mistake(const Json& document) const {
    const auto read = read_plan(document, kit);
    return read ? "" : read.error().message;
  }
  /// The plan's result as JSON, or the error.
  Json run(const Json& document, Trace* trace = nullptr) {
    Graph g;
    const auto plan = g.input<Json>("plan");
    const auto question = g.input<Text>("question");
    const auto n = g.input<std::int64_t>("n");
    const auto made = g.plan<Json>("work", plan_function(kit, type_of<Json>(), type_of<Json>()),
                                   plan, question, n);
    const auto program = g.build(made);
    REQUIRE(program);
    auto inputs = Inputs().set<Text>("question", "why").set<std::int64_t>("n", 3);
    inputs.set("plan", document);
    const auto value = runtime.run(*program, inputs, {.trace = trace});
    return value ? *value : Json(value.error().message);
  }

  std::atomic<int> calls = 0;
  std::mutex mutex;
  std::condition_variable wake;
  int waiting = 0;
  PlanKit kit;
  SystemTimers timers;
  Lanes lanes{Lanes::Options{}};
  ThreadExecutor executor{lanes, timers};
  Runtime runtime{executor};
};

Text numbered(Text text, std::size_t number) { return text.append(std::to_string(number)); }

Json step(const Text& id, const Text& name, const Json& arguments) {
  return {{"id", id}, {"tool", name}, {"arguments", arguments}};
}
Json plan(const std::vector<Json>& steps) {
  return {{"steps", steps}, {"result", steps.back()["id"]}};
}

TEST_CASE("a plan runs as a graph: values, parts of them and several in one argument") {
  Fixture fixture;
  CHECK(check(fixture.kit));
  CHECK(fixture.run(plan({step("a", "repeat", {{"text", "$question"}, {"times", "$n"}}),
                          step("b", "shout", {{"text", "$a and $question"}}),
                          step("c", "pair", {{"first", "$a$b"}, {"second", {"$n", "$$n"}}}),
                          step("d", "pair", {{"first", "${c/second/0}"}, {"second", "$c"}})})) ==
        Json::parse(R"({"first": 3, "second":
            {"first": "whywhywhywhywhywhy and why!", "second": [3, "$n"]}})"));
  CHECK(fixture.calls == 3);
  CHECK(fixture.run(plan({step("s", "shout", {{"text", "$n"}})})) == "3!");
}

TEST_CASE("$1 and $10 are two steps") {
  Fixture fixture;
  std::vector<Json> steps;
  Text all;
  for (std::size_t i = 1; i <= 11; ++i) {
    steps.push_back(
        step(std::to_string(i), "repeat", {{"text", Text(1, static_cast<char>('a' + i))}}));
    all.insert(0, numbered("$", i));
  }
  steps.push_back(step("all", "repeat", {{"text", all}}));
  CHECK(fixture.run(plan(steps)) == "lkjihgfedcb");
}

TEST_CASE("independent steps of a plan overlap") {
  Fixture fixture;
  CHECK(fixture.run(plan({step("a", "meet", Json::object()), step("b", "meet", Json::object()),
                          step("both", "pair", {{"first", "$a"}, {"second", "$b"}})})) ==
        Json({{"first", true}, {"second", true}}));
}

TEST_CASE("what a step fails with names it behind its plan") {
  Fixture fixture;
  const Text error = fixture
                         .run(plan({step("a", "pair", {{"first", 1}, {"second", 2}}),
                                    step("b", "repeat", {{"text", "${a/third}"}})}))
                         .get<Text>();
  CHECK(error.starts_with("node work/b: there is no /third in what a gave"));
}

TEST_CASE("messages of mistakes say what to do") {
  const Fixture fixture;
  const auto of = [&](const std::vector<Json>& steps) { return fixture.mistake(plan(steps)); };
  CHECK(of({step("a", "repaet", {{"text", "x"}})}) ==
        "step a: there is no tool repaet; did you mean \"repeat\"?");
  CHECK(of({step("a", "secret", Json::object())})
            .starts_with("step a: tool secret (read) isn't allowed"));
  CHECK(of({step("a", "shout", {{"text", "$b"}}), step("b", "shout", {{"text", "x"}})}) ==
        "step a: it refers to $b, which is a later step: put that one first");
  CHECK(of({step("a", "shout", {{"text", "$b"}}), step("b", "shout", {{"text", "$a"}})}) ==
        "step a: it refers to $b, and that needs it in turn: a cycle");
  CHECK(of({step("a", "shout", {{"text", "$queston"}})}) ==
        "step a: it refers to $queston, but no step or input is called so; did you mean "
        "\"question\"?; $$ is a dollar sign");
  CHECK(of({step("a", "repeat", {{"text", "x"}, {"times", "$question"}})}) ==
        "step a: its argument times becomes a value of type string, but \"integer\" is needed");
  CHECK(of({step("a", "repeat", {{"text", "x"}}), step("b", "repeat", {{"text", "y"}})}) ==
        "step a: nothing needs its result: leave it out, or use it");
  CHECK(fixture.mistake({{"steps", {step("a", "shout", {{"text", "x"}})}}, {"result", "$a"}})
            .starts_with("the plan's \"result\" is \"$a\", which is no step's id"));
  CHECK(read_plan_text("{\"steps\": [", fixture.kit).error().message.starts_with("the plan: "));
}

/// A plan of `count` steps, each of which needs the one before and some others.
Json random_plan(Random& random, std::size_t count) {
  std::vector<Json> steps;
  for (std::size_t i = 0; i < count; ++i) {
    const Text id = numbered("s", i);
    Text text = i == 0 ? "$question" : numbered("$s", i - 1);
    if (i > 0 && random.chance(0.5)) text += numbered(" $s", random.below(i));
    steps.push_back(random.chance(0.3) ? step(id, "shout", {{"text", text}})
                                       : step(id, "repeat", {{"text", text}, {"times", 1}}));
  }
  return plan(steps);
}

struct Malformed {
  Json document;
  Text named;  // what the message begins with
};

/// One mistake of each kind, in a step of a plan that is right otherwise.
std::vector<Malformed> malformed(const Json& right, std::size_t at, Random& random) {
  const Text id = right["steps"][at]["id"];
  const std::size_t last = right["steps"].size() - 1;
  std::vector<Malformed> all;
  const auto with = [&](const std::function<void(Json & step, Json & plan)>& change) {
    Json made = right;
    change(made["steps"][at], made);
    all.push_back({made, "step " + id + ": "});
  };
  const auto repeat = [&](const Json& arguments) {
    with([&](Json& step, Json&) { step["tool"] = "repeat", step["arguments"] = arguments; });
  };
  const Text later = numbered("s", at + 1 + random.below(last - at));
  with([](Json& step, Json&) { step["tool"] = "reapet"; });
  with([](Json& step, Json&) { step["tool"] = 7; });
  with([](Json& step, Json&) { step["tool"] = "secret"; });
  with([](Json& step, Json&) { step.erase("tool"); });
  with([](Json& step, Json&) { step["after"] = "s0"; });
  with([](Json& step, Json&) { step["arguments"] = "text"; });
  repeat({{"text", "$" + later}});               // a later step, which needs this one: a cycle
  repeat({{"text", "x $" + id}});                // itself
  repeat({{"text", numbered("$s", at) + "0"}});  // $1 is a step, $10 isn't
  repeat({{"text", "${s0"}});
  repeat({{"text", {"$question"}}});  // a list for a text
  repeat({{"text", "$n"}});           // a whole number for a text
  repeat({{"text", "x"}, {"times", "$question"}});
  repeat({{"text", "x"}, {"times", 10}});  // more than its schema allows
  repeat({{"text", "x"}, {"times", "3"}});
  repeat({{"times", 2}});  // without what it needs
  repeat({{"text", "x"}, {"tmes", 2}});
  with([&](Json& step, Json&) { step["tool"] = "shout", step["arguments"] = {{"text", 1}}; });
  {
    Json made = right;  // forward: the two steps change places
    std::swap(made["steps"][at], made["steps"][at + 1]);
    all.push_back({made, numbered("step s", at + 1) + ": "});
  }
  {
    Json made = right;
    while (made["steps"].size() <= PlanLimits{}.steps_max) {
      made["steps"].push_back(step(numbered("more", made["steps"].size()), "shout", {}));
    }
    all.push_back({made, numbered("step ", PlanLimits{}.steps_max + 1) + " of the list: "});
  }
  {
    Json made = right;
    made["steps"][at + 1]["id"] = id;
    all.push_back({made, "step " + id + ": two steps"});
  }
  {
    Json made = right;
    made["steps"].push_back(step("idle", "shout", {{"text", "x"}}));
    all.push_back({made, "step idle: "});
  }
  {
    Json made = right;
    made["steps"][at]["id"] = "a b";
    all.push_back({made, numbered("step ", at + 1) + " of the list: "});
  }
  return all;
}

TEST_CASE("A20: 200 malformed plans are refused before any tool is called, and name the step") {
  Fixture fixture;
  Random random(20, 0);
  std::vector<Malformed> corpus;
  while (corpus.size() < 200) {
    const std::size_t count = 3 + random.below(5);
    const Json right = random_plan(random, count);
    CHECK(fixture.mistake(right).empty());
    const std::size_t at = random.below(count - 1);
    for (Malformed& each : malformed(right, at, random)) corpus.push_back(std::move(each));
  }
  corpus.resize(200);
  std::size_t named = 0;
  for (const Malformed& each : corpus) {
    const Text error = fixture.run(each.document).get<Text>();
    INFO(each.document.dump() << "\n" << error);
    CHECK(error.starts_with("node work: " + each.named));
    named += error.starts_with("node work: " + each.named) ? 1 : 0;
  }
  CHECK(fixture.calls == 0);
  CHECK(named == 200);
  std::cout << "A20: " << named << " of 200 malformed plans refused by the step's name, "
            << fixture.calls << " tools called\n";
}

TEST_CASE("a plan has limits of depth, references and bytes") {
  Fixture fixture;
  std::vector<Json> chain = {step("s0", "shout", {{"text", "x"}})};
  for (std::size_t i = 1; i < 9; ++i) {
    chain.push_back(step(numbered("s", i), "shout", {{"text", numbered("$s", i - 1)}}));
  }
  CHECK(fixture.mistake(plan(chain)) == "step s8: more than 8 steps wait for one another up to it");
  Text many;
  for (int i = 0; i < 65; ++i) many += "$question ";
  CHECK(fixture.mistake(plan({step("a", "shout", {{"text", many}})})) ==
        "step a: it has more than 64 references");
  CHECK(fixture.mistake(plan({step("a", "shout", {{"text", Text(70'000, 'x')}})})) ==
        "the plan has more than 65536 bytes");
  CHECK_FALSE(read_plan_text(Text(40, '['), fixture.kit));
}

/// Whether the schema's grammar accepts the text.
bool is_written(const PlanKit& kit, const Text& text) {
  const auto grammar = inference::grammar::json_schema_grammar(plan_schema(kit));
  INFO((grammar ? "" : grammar.error().message));
  REQUIRE(grammar);
  return fakes::NaiveGrammar(*grammar).accepts(text);
}

TEST_CASE("the schema of a kit's plans lets them be written, with references in place of values") {
  const Fixture fixture;
  const Text begin = R"({"steps":[{"id":"a","tool":"repeat","arguments":{"text":"$question")";
  const Text end = R"(}}],"result":"a"})";
  CHECK(is_written(fixture.kit, begin + end));
  CHECK(is_written(fixture.kit, begin + R"(,"times":3)" + end));
  CHECK(is_written(fixture.kit, begin + R"(,"times":"$n")" + end));
  CHECK(is_written(fixture.kit, begin + R"(,"times":"${n/0}")" + end));
  CHECK_FALSE(is_written(fixture.kit, begin + R"(,"times":"three")" + end));
  CHECK_FALSE(is_written(fixture.kit, begin + R"(,"times":10)" + end));
  CHECK_FALSE(is_written(fixture.kit, R"({"steps":[],"result":"a"})"));
  const Text told = plan_instructions(fixture.kit);
  CHECK(told.find("- repeat. Arguments: {\"additionalProperties\":false") != Text::npos);
  CHECK(told.find("Steps may also refer to: $question (text) $n (int)") != Text::npos);
}

TEST_CASE("a kit of plans is checked too") {
  Fixture fixture;
  fixture.kit.kinds[0].name = "pair";
  CHECK(check(fixture.kit).error().message == "two tools are called pair");
  fixture.kit.kinds.clear();
  fixture.kit.inputs.push_back({"two words", type_of<Text>()});
  CHECK(
      check(fixture.kit).error().message.starts_with("a plan can't refer to the input two words"));
  fixture.kit.tools = {"none"};
  CHECK(check(fixture.kit).error().message == "there is no tool none");
}

}  // namespace
}  // namespace weft::planner
