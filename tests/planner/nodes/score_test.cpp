#include "planner/nodes/score.h"

#include <catch2/catch.hpp>

#include "base/lanes.h"
#include "inference/sampler.h"
#include "inference/session.h"
#include "planner/graph.h"
#include "planner/runtime.h"
#include "tests/inference/temporary_model.h"

namespace weft::planner {
namespace {

using Text = std::string;
using Texts = std::vector<Text>;

struct Fixture {
  std::shared_ptr<const inference::Model> model = inference::tiny(
      {}, *inference::cpu_backend(2, inference::cpu::best_level(), {.yield_to_load = false}));
  SystemTimers timers;
  Lanes lanes{Lanes::Options{}};
  ThreadExecutor executor{lanes, timers};

  Result<std::vector<double>> run(const ScoreOptions& options, const Texts& texts) {
    Graph g;
    WEFT_TRY(program, g.build(g.call<std::vector<double>>(
                          "score", score_function(model, options), score_policy(options),
                          g.input<Text>("text"), g.input<Texts>("texts"))));
    return Runtime(executor).run(program,
                                 Inputs().set<Text>("text", "Yes or no? ").set("texts", texts));
  }
};

TEST_CASE("a continuation's score is the sum of ln p of its tokens, read one after the other") {
  Fixture fixture;
  const Texts texts = {"yes", "no", "maybe"};
  const auto sums = fixture.run({}, texts).value();
  const auto means = fixture.run({.is_mean = true}, texts).value();
  REQUIRE(sums.size() == 3);
  const auto& tokenizer = fixture.model->tokenizer();
  auto prompt = tokenizer.encode("Yes or no? ", false);
  if (tokenizer.adds_bos() && tokenizer.bos()) prompt.insert(prompt.begin(), *tokenizer.bos());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto session = inference::Session::open(fixture.model).value();
    REQUIRE(session.append(prompt));
    const auto ids = tokenizer.encode(texts[i], false);
    double sum = 0;
    for (const auto id : ids) {
      sum += inference::log_probability(session.logits(), id);
      REQUIRE(session.append(std::vector{id}));
    }
    CHECK(sums[i] == Approx(sum).margin(1e-4));
    CHECK(means[i] == Approx(sum / static_cast<double>(ids.size())).margin(1e-4));
  }
}

TEST_CASE("an empty continuation and a text beyond its limit are refused by the node") {
  Fixture fixture;
  CHECK(fixture.run({}, {"a", ""}).error().message == "node score: continuation 2 of 2 is empty");
  CHECK(fixture.run({.prompt_tokens_max = 2}, {"a"}).error().code == ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace weft::planner
