#include "planner/graph.h"

#include <catch2/catch.hpp>
#include <iostream>
#include <string>
#include <type_traits>
#include <vector>

#include "base/random.h"
#include "planner/picture.h"
#include "planner/runtime.h"

namespace weft::planner {
namespace {

using Text = std::string;
using Int = std::int64_t;

std::vector<Text> split(Ctx&, const Text& text) {
  std::vector<Text> words(1);
  for (const char c : text) {
    if (c == ' ') {
      words.emplace_back();
    } else {
      words.back() += c;
    }
  }
  return words;
}
Int length(Ctx&, const Text& text) { return static_cast<Int>(text.size()); }
Int sum(Ctx&, const std::vector<Int>& numbers) {
  Int total = 0;
  for (const Int number : numbers) total += number;
  return total;
}
Int add_one(Ctx&, const Int& number) { return number + 1; }

/// Every kind of node: the lengths of a text's words, added up, then changed.
Result<Program<Int>> every_kind(Graph& g) {
  const auto text = g.input<Text>("text");
  const auto words = g.node("split", split, {}, text);
  const auto lengths = g.map("length", length, {}, words);
  const auto collected = g.collect("checked", length, {.version = 2}, words);
  const auto total = g.node("sum", sum, {}, lengths);
  const auto made = g.node(
      "made",
      [](Ctx&, const Partial<Int>& partial) { return static_cast<Int>(partial.values.size()); }, {},
      collected);
  const auto looped = g.loop(
      "grow", total,
      [&](Graph& inside, Out<Int> state) {
        return inside.node(
            "add", [](Ctx&, const Int& a, const Int& b) { return a + b; }, {}, state, made);
      },
      [](Ctx&, const Int& state) { return state >= 20; }, 10);
  const auto is_big = g.node(
      "is_big", [](Ctx&, const Int& number) { return number > 20; }, {}, looped);
  const auto branched = g.branch(
      "choose", is_big, [&](Graph& inside) { return inside.node("more", add_one, {}, looped); },
      [&](Graph&) { return total; });
  return g.build(g.scope("limited", {.calls = 5}, [&](Graph& inside) {
    return inside.node("last", add_one,
                       {.attempts = 2,
                        .backoff = std::chrono::milliseconds(5),
                        .timeout = std::chrono::seconds(1),
                        .effect = Effect::kIdempotent,
                        .lane = LaneKind::kIo,
                        .cost = {.prompt_tokens = 3, .calls = 1}},
                       branched);
  }));
}

TEST_CASE("a graph with every kind of node gives the value that its code would") {
  Graph g;
  const auto program = every_kind(g);
  REQUIRE(program);
  VirtualExecutor executor;
  Runtime runtime(executor);
  // 3 words of 10 letters: 10, 13, 16, 19, 22 at the fourth round; more than 20, so 23; then 24.
  CHECK(runtime.run(*program, Inputs().set<Text>("text", "the quick fo")).value() == 24);
  // 1 word of 25 letters: 26, 27, 28.
  CHECK(runtime.run(*program, Inputs().set<Text>("text", Text(25, 'x'))).value() == 28);
}

TEST_CASE("A23: a program goes through JSON with an equal hash and an equal value") {
  Graph g;
  const auto program = every_kind(g);
  REQUIRE(program);
  const auto loaded = AnyProgram::from_json(program->json(), program->functions());
  REQUIRE(loaded);
  CHECK(loaded->json() == program->json());
  CHECK(loaded->hash() == program->hash());
  const auto typed = Program<Int>::from(*loaded);
  REQUIRE(typed);
  CHECK_FALSE(Program<Text>::from(*loaded));
  VirtualExecutor executor;
  Runtime runtime(executor);
  CHECK(runtime.run(*typed, Inputs().set<Text>("text", "the quick fo")).value() == 24);
  Graph other;
  const auto changed =
      other.build(other.node("length", length, {.version = 2}, other.input<Text>("text")));
  Graph same;
  const auto unchanged = same.build(same.node("length", length, {}, same.input<Text>("text")));
  CHECK(changed->hash() != unchanged->hash());
}

TEST_CASE("A23: every cut of a program's JSON, and every wrong part, is refused with a reason") {
  Graph g;
  const auto program = every_kind(g);
  const std::string json = program->json();
  for (std::size_t cut = 0; cut < json.size(); ++cut) {
    REQUIRE_FALSE(AnyProgram::from_json(json.substr(0, cut), program->functions()));
    REQUIRE_FALSE(sketch_program(json.substr(0, cut)));
  }
  std::cout << "A23: " << json.size() << " cuts of a program's JSON are refused\n";
  const auto refusal = [&](const std::string& from, const std::string& to) {
    std::string changed = json;
    const auto at = changed.find(from);
    REQUIRE(at != std::string::npos);
    changed.replace(at, from.size(), to);
    const auto loaded = AnyProgram::from_json(changed, program->functions());
    return loaded ? "accepted" : loaded.error().message;
  };
  CHECK(refusal("\"format\":1", "\"format\":2") == "the program's \"format\" isn't 1");
  CHECK(refusal("\"iterations_max\":10", "\"iterations_max\":0")
            .find("node grow: a loop needs a bound") == 0);
  CHECK(refusal("\"function\":\"split\"", "\"function\":\"splat\"") ==
        "node split: there is no function splat");
  CHECK(refusal("\"function\":\"sum\"", "\"function\":\"split\"") ==
        "node sum: input 0 is of type text, but length gives list<int>");
  CHECK(refusal("\"inputs\":[\"text\"]", "\"inputs\":[\"sum\"]")
            .find("node split: its input \"sum\"") == 0);
  CHECK(refusal("\"attempts\":2", "\"attempts\":0").find("node last: attempts must be") !=
        std::string::npos);
  CHECK(refusal("\"effect\":\"idempotent\"", "\"effect\":\"once\"").find("can't be retried") !=
        std::string::npos);
  CHECK(refusal("\"type\":\"list<int>\"", "\"type\":\"list<text>\"")
            .find("node length: its graph gives int") == 0);
  CHECK(refusal("\"result\":\"limited\"", "\"result\":\"nobody\"") ==
        "result: there is no node or input nobody");
  CHECK(refusal("\"kind\":\"loop\"", "\"kind\":\"jump\"") ==
        "node grow: there is no kind of node jump");
}

TEST_CASE("A23: types that no function names come back with the program's types") {
  Graph g;
  const auto lists = g.input<std::vector<std::vector<std::int64_t>>>("lists");
  const auto program = g.build(
      g.map_each("outer", lists, [](Graph&, Out<std::vector<std::int64_t>> list) { return list; }));
  REQUIRE(program);
  const auto refused = AnyProgram::from_json(program->json(), program->functions());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kNotFound);
  const auto loaded =
      AnyProgram::from_json(program->json(), program->functions(), {}, program->types());
  REQUIRE(loaded);
  CHECK(loaded->hash() == program->hash());
}

TEST_CASE("JSON that is nested deeply is refused, not followed") {
  for (const char* head : {"{\"format\":", "{\"format\":1,\"inputs\":[],\"nodes\":"}) {
    const std::string deep = head + std::string(300'000, '[') + std::string(300'000, ']') + "}";
    const auto loaded = AnyProgram::from_json(deep, {});
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("a loop's graph is given the loop's own value first, whatever the arguments say") {
  const auto text = [](const char* first) {
    return std::string(R"({"format":1,"inputs":[{"name":"flag","type":"bool"},)") +
           R"({"name":"text","type":"text"}],"nodes":[{"name":"loop","kind":"loop",)" +
           R"("inputs":["flag","text"],"type":"bool","iterations_max":2,"arguments":[[1]],)" +
           R"("graphs":[{"inputs":[{"name":"in","type":")" + first +
           R"("}],"nodes":[],"result":"in"}]}],"result":"loop"})";
  };
  const auto loaded = AnyProgram::from_json(text("text"), {});
  REQUIRE_FALSE(loaded);
  INFO(loaded.error().message);
  CHECK(loaded.error().message.find("of type text, not bool") != std::string::npos);
}

TEST_CASE("a body that gives another graph's value is a mistake that build() returns") {
  Graph other;
  const auto foreign = other.input<bool>("foreign");
  Graph g;
  const auto made = g.build(g.scope("inside", {}, [&](Graph&) { return foreign; }));
  REQUIRE_FALSE(made);
  CHECK(made.error().message.find("comes from a graph that isn't this one") != std::string::npos);
}

TEST_CASE("a program's JSON with bytes changed, lost and repeated is refused, or runs") {
  Graph g;
  const auto program = every_kind(g);
  const std::string json = program->json();
  const Functions functions = program->functions();
  VirtualExecutor executor;
  Runtime runtime(executor);
  Random random(23);
  int accepted = 0;
  for (int i = 0; i < 5'000; ++i) {
    std::string changed = json;
    for (std::uint64_t edits = 1 + random.below(3); edits > 0; --edits) {
      const std::size_t at = random.below(changed.size());
      switch (random.below(3)) {
        case 0:
          changed[at] = static_cast<char>(random.below(256));
          break;
        case 1:
          changed.erase(at, random.below(8));
          break;
        default:
          changed.insert(at, changed.substr(random.below(changed.size()), random.below(40)));
      }
    }
    const auto loaded = AnyProgram::from_json(changed, functions, {.iterations_max = 100});
    if (!loaded) {
      REQUIRE_FALSE(loaded.error().message.empty());
      continue;
    }
    const auto typed = Program<Int>::from(*loaded);
    if (!typed) continue;
    ++accepted;  // a changed name, bound or policy: it still ends
    (void)runtime.run(*typed, Inputs().set<Text>("text", "the quick fo"));
  }
  CHECK(accepted > 0);
}

TEST_CASE("A23: what can't be an edge or a value doesn't compile") {
  const auto of_text = [](Ctx&, const Text&) { return Int{1}; };
  struct Unknown {};
  const auto of_unknown = [](Ctx&, const Int&) { return Unknown{}; };
  STATIC_REQUIRE(NodeFn<decltype(of_text), Text>);
  STATIC_REQUIRE_FALSE(NodeFn<decltype(of_text), Int>);     // wrong edge type
  STATIC_REQUIRE_FALSE(NodeFn<decltype(of_text)>);          // missing input
  STATIC_REQUIRE_FALSE(NodeFn<decltype(of_unknown), Int>);  // not storable
  STATIC_REQUIRE_FALSE(Storable<int>);
  STATIC_REQUIRE(Storable<std::vector<std::vector<double>>>);
}

TEST_CASE("build() names the node and the mistake") {
  const auto refusal = [](auto make) {
    Graph g;
    const auto program = make(g);
    return program ? std::string("accepted") : program.error().message;
  };
  CHECK(refusal([](Graph& g) {
          const auto number = g.input<Int>("number");
          g.node("unused", add_one, {}, number);
          return g.build(g.node("used", add_one, {}, number));
        }) == "node unused: nothing reads its value: remove it, or use it");
  CHECK(refusal([](Graph& g) {
          const auto number = g.input<Int>("number");
          return g.build(g.node("number", add_one, {}, number));
        }) == "two nodes or inputs are called number");
  CHECK(refusal([](Graph& g) {
          return g.build(g.node("a/b", add_one, {}, g.input<Int>("number")));
        }).find("the name \"a/b\"") == 0);
  CHECK(refusal([](Graph& g) {
          Graph other;
          return g.build(g.node("mixed", add_one, {}, other.input<Int>("number")));
        }).find("comes from a graph that isn't this one") != std::string::npos);
  CHECK(refusal([](Graph& g) {
          return g.build(g.node("n", add_one, {.attempts = 2, .effect = Effect::kOnce},
                                g.input<Int>("number")));
        }).find("node n: its effect is \"once\"") == 0);
  CHECK(refusal([](Graph& g) {
          return g.build(g.loop(
              "l", g.input<Int>("number"),
              [](Graph& in, Out<Int> s) { return in.node("n", add_one, {}, s); }, 0));
        }) == "node l: a loop needs a bound of 1 to 1000000");
  CHECK(refusal([](Graph& g) {
          return g.build(
              g.map_each("m", g.input<std::vector<Int>>("numbers"), [](Graph& in, Out<Int> e) {
                in.node("unused", add_one, {}, e);
                return e;
              }));
        }) == "in m: node unused: nothing reads its value: remove it, or use it");
}

TEST_CASE("a graph may hand its input on") {
  Graph g;
  const auto program = g.build(g.input<std::vector<bool>>("flags"));
  REQUIRE(program);
  VirtualExecutor executor;
  Runtime runtime(executor);
  const std::vector<bool> flags{true, false, true};
  CHECK(runtime.run(*program, Inputs().set("flags", flags)).value() == flags);
}

TEST_CASE("inputs are checked before anything runs") {
  Graph g;
  const auto program = g.build(g.node("add", add_one, {}, g.input<Int>("number")));
  VirtualExecutor executor;
  Runtime runtime(executor);
  CHECK(runtime.run(*program, {}).error().message == "the program's input number (int) isn't set");
  CHECK(runtime.run(*program, Inputs().set<Text>("number", "1")).error().message ==
        "the program's input number is of type int, not text");
  CHECK(
      runtime.run(*program, Inputs().set<Int>("number", 1).set<Int>("other", 1)).error().message ==
      "the program has no input other");
}

TEST_CASE("pictures show every node, and every edge once") {
  Graph g;
  const auto a = g.input<Int>("a");
  const auto b = g.node("b", add_one, {}, a);
  const auto program =
      g.build(g.scope("s", {}, [&](Graph& in) { return in.node("c", add_one, {}, b); }));
  REQUIRE(program);
  CHECK(program->mermaid() ==
        "flowchart TD\n  n0([\"a\"])\n  n1[\"b\"]\n  n0 --> n1\n  subgraph s2[\"s (scope)\"]\n"
        "  n3[\"c\"]\n  n1 --> n3\n  end\n");
  CHECK(program->dot() ==
        "digraph program {\n  n0 [label=\"a\"];\n  n1 [label=\"b\", shape=box];\n  n0 -> n1;\n"
        "  subgraph cluster_2 { label=\"s (scope)\";\n  n3 [label=\"c\", shape=box];\n  n1 -> "
        "n3;\n  }\n}\n");
}

TEST_CASE("a sketch of a program's JSON has its picture, and is refused if it makes no sense") {
  Graph g;
  const auto program = every_kind(g);
  const auto sketch = sketch_program(program->json());
  REQUIRE(sketch);
  CHECK(mermaid(**sketch) == program->mermaid());
  CHECK(dot(**sketch) == program->dot());
  const auto refusal = [&](const std::string& from, const std::string& to) {
    std::string json = program->json();
    const std::size_t at = json.find(from);
    REQUIRE(at != std::string::npos);
    json.replace(at, from.size(), to);
    const auto read = sketch_program(json);
    return read ? "" : read.error().message;
  };
  CHECK(refusal("\"arguments\":[[", "\"arguments\":[[99,").find("don't read its inputs") !=
        std::string::npos);
  CHECK(refusal("\"graphs\":[", "\"graphs\":[{\"inputs\":[],\"nodes\":[],\"result\":\"x\"},")
            .find("there is no node or input x") != std::string::npos);
}

TEST_CASE("the type of a value is found by its path") {
  Graph g;
  const auto list = g.map(
      "each", [](Ctx&, const std::int64_t& n) { return n > 1; }, {},
      g.input<std::vector<std::int64_t>>("list"));
  const auto last = g.loop(
      "refine", g.ask<std::int64_t>("much", g.input<std::string>("question")),
      [&](Graph& inside, Out<std::int64_t> state) {
        return inside.node(
            "fix", [](Ctx&, const std::int64_t& n, const std::vector<bool>&) { return n; }, {},
            state, list);
      },
      3);
  const auto program = g.build(last);
  REQUIRE(program);
  const Body& body = program->body();
  CHECK(type_at(body, "each") == type_of<std::vector<bool>>());
  CHECK(type_at(body, "each[3]") == type_of<bool>());
  CHECK(type_at(body, "much") == type_of<std::int64_t>());
  CHECK(type_at(body, "refine[2]/fix") == type_of<std::int64_t>());
  for (const char* wrong : {"", "refine[2]/", "refine[2", "refine/", "each[3]/x", "[", "/", "no"}) {
    CHECK(type_at(body, wrong) == nullptr);
  }
}

}  // namespace
}  // namespace weft::planner
