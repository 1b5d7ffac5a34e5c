#include "inference/block_ngrams.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "inference/generate.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

TEST_CASE("what completes an n-gram of the text is forbidden, and nothing else") {
  const std::vector<TokenId> corpus = {1, 2, 3, 1, 2, 4};
  const auto forbidden = [&](const std::vector<TokenId>& tokens, std::size_t n) {
    std::vector<float> logits(6);
    REQUIRE(block_ngrams(corpus, n).value()->clone()->apply({logits, tokens, 0, 0}));
    std::vector<TokenId> ids;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (std::isinf(logits[i])) ids.push_back(static_cast<TokenId>(i));
    }
    return ids;
  };
  CHECK(forbidden({0, 1, 2}, 3) == std::vector<TokenId>{3, 4});
  CHECK(forbidden({2, 1}, 3).empty());
  CHECK(forbidden({2}, 2) == std::vector<TokenId>{3, 4});
  CHECK(forbidden({}, 1) == std::vector<TokenId>{1, 2, 3, 4});
  CHECK(forbidden({1}, 3).empty());
  CHECK_FALSE(block_ngrams(corpus, 0));
}

TEST_CASE("a greedy answer has no blocked 5-gram") {
  const auto model = tiny();
  const auto prompt = model->tokenizer().encode("hello the one", false);
  const auto answer = [&](std::vector<LogitsStep> steps) {
    GenerateOptions options;
    options.max_tokens = 60;
    options.ignore_end_tokens = true;
    options.logits = std::move(steps);
    auto session = Session::open(model).value();
    return generate(session, prompt, options).value().ids;
  };
  const auto recited = answer({});
  const auto blocked = answer({*block_ngrams(recited, 5)});
  for (std::size_t i = 0; i + 5 <= recited.size(); ++i) {
    CHECK(std::ranges::search(blocked, std::span(recited).subspan(i, 5)).empty());
  }
}

}  // namespace
}  // namespace weft::inference
