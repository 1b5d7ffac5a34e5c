#include "inference/momentum.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "inference/generate.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

const std::vector<TokenId> kHistory = {1, 2, 3, 7, 8, 2, 3};

/// The scores after kHistory where the tokens 7, 2 and 9 have these probabilities, 4 and 5 the
/// rest.
std::vector<float> scores(float seven, float two, float nine, const MomentumOptions& options = {}) {
  std::vector<float> logits(12, -100);
  logits[7] = std::log(seven);
  logits[2] = std::log(two);
  logits[9] = std::log(nine);
  for (const std::size_t other : {4, 5}) logits[other] = std::log((1 - seven - two - nine) / 2);
  const auto processor = momentum(options).value()->clone();
  REQUIRE(processor->apply({logits, kHistory, 0, 0}));
  return logits;
}

TEST_CASE("the longest n-gram that a token would repeat is found") {
  CHECK(repeated_length(kHistory, 7, 6) == 3);
  CHECK(repeated_length(kHistory, 2, 6) == 1);
  CHECK(repeated_length(kHistory, 9, 6) == 0);
  CHECK(repeated_length(kHistory, 7, 2) == 2);
  CHECK(repeated_length({}, 7, 6) == 0);
  const std::vector<TokenId> same(9, 4);
  CHECK(repeated_length(same, 4, 6) == 6);
}

TEST_CASE("a likely token prevails over the resistance of its circle, a less likely one doesn't") {
  const auto likely = scores(0.9F, 0.04F, 0.03F);
  CHECK(likely[7] == Approx(0.3F).margin(1e-5));
  CHECK(likely[2] == Approx(-0.16F).margin(1e-5));
  CHECK(likely[9] == Approx(0.03F).margin(1e-5));
  CHECK(std::ranges::max_element(likely) - likely.begin() == 7);
  const auto less = scores(0.6F, 0.04F, 0.35F);
  CHECK(less[7] == Approx(0).margin(1e-5));
  CHECK(std::ranges::max_element(less) - less.begin() == 9);
}

TEST_CASE("others than the candidates come only where no candidate may") {
  // Of 3-grams the resistance has no end here.
  const auto made = scores(0.9F, 0.04F, 0.03F, {.k = 1, .resistance = {0, 1, 2}});
  CHECK(std::ranges::max_element(made) - made.begin() == 2);
  CHECK(std::isfinite(made[7]));
  CHECK_FALSE(momentum({.k = 0}));
  CHECK_FALSE(momentum({.alpha = -1}));
  CHECK_FALSE(momentum({.resistance = {}}));
}

TEST_CASE("an answer with momentum doesn't circle, and drafts don't change it") {
  const auto model = tiny();
  const auto prompt = model->tokenizer().encode("one two one two one two", false);
  const auto answer = [&](std::vector<LogitsStep> steps, std::size_t drafts) {
    GenerateOptions options;
    options.max_tokens = 60;
    options.ignore_end_tokens = true;
    options.draft_tokens_max = drafts;
    options.logits = std::move(steps);
    auto session = Session::open(model).value();
    return generate(session, prompt, options).value().ids;
  };
  const auto longest = [](std::span<const TokenId> ids) {
    std::size_t most = 0;
    for (std::size_t i = 1; i < ids.size(); ++i) {
      most = std::max(most, repeated_length(ids.first(i), ids[i], 20));
    }
    return most;
  };
  const MomentumOptions blocking = {.k = 5, .alpha = 1, .resistance = {0, 0, 0, 0, 5}};
  const auto ids = answer({*momentum(blocking)}, 10);
  CHECK(ids == answer({*momentum(blocking)}, 0));
  CHECK(longest(answer({}, 0)) > 4);
  // Four come again only where that is so of all candidates.
  CHECK(longest(ids) <= 4);
}

}  // namespace
}  // namespace weft::inference
