#include "planner/run_captions.h"

#include <catch2/catch.hpp>

#include "planner/graph.h"

namespace weft::planner {
namespace {

using Kind = TraceEvent::Kind;
using namespace std::chrono_literals;

TEST_CASE("a run's picture says what each node did, a map's elements together") {
  Graph g;
  const auto n = g.input<std::int64_t>("n");
  const auto list = g.node(
      "list", [](Ctx&, std::int64_t) { return std::vector<double>(); }, {}, n);
  const auto each = g.map(
      "each", [](Ctx&, double x) { return x; }, {}, list);
  const auto program = g.build(g.node(
      "last", [](Ctx&, const std::vector<double>&) { return true; }, {}, each));
  REQUIRE(program);
  const Captions captions = run_captions(
      {{.kind = Kind::kDone, .path = "list", .begin = 1s, .end = 1500ms},
       {.kind = Kind::kDone,
        .path = "each[0]",
        .end = 1s,
        .spent = {.prompt_tokens = 30, .cached_tokens = 20}},
       {.kind = Kind::kRetried, .path = "each[1]", .end = 1s},
       {.kind = Kind::kDone, .path = "each[1]", .end = 1s, .spent = {.output_tokens = 4}},
       {.kind = Kind::kIntent, .path = "last"},
       {.kind = Kind::kFailed, .path = "last"}});
  CHECK(captions.at("each") == "2 done, retried, 3 s, 30 (20 cached) + 4 tokens");
  const std::string mermaid = planner::mermaid(program->body(), captions);
  CHECK(mermaid.find("[\"list<br>done, 0.5 s\"]") != std::string::npos);
  CHECK(mermaid.find("[\"each<br>2 done, retried, 3 s, 30 (20 cached) + 4 tokens\"]") !=
        std::string::npos);
  CHECK(mermaid.find("[\"last<br>failed, 0 s\"]") != std::string::npos);
  CHECK(dot(program->body(), captions).find("label=\"list\\ndone, 0.5 s\"") != std::string::npos);
  CHECK(program->mermaid().find("<br>") == std::string::npos);
}

}  // namespace
}  // namespace weft::planner
