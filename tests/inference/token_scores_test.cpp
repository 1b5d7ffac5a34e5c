#include "inference/token_scores.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace weft::inference {
namespace {

using Scores = std::vector<std::pair<TokenId, float>>;

void check(const Scores& added, TokenId ids) {
  TokenScores scores;
  for (const auto& [id, score] : added) scores.add(id, score);
  scores.shrink_to_fit();
  const std::map<TokenId, float> expected(added.begin(), added.end());
  for (TokenId id = -1; id <= ids; ++id) {
    INFO(id);
    const auto known = expected.find(id);
    REQUIRE(scores.find(id) == (known == expected.end() ? TokenScores::kNone : known->second));
  }
}

TEST_CASE("scores are those that were added, and no others") {
  check({}, 3);
  check({{2, -7.5F}}, 4);
  check({{0, 1}, {1, 1}, {2, 1}, {3, 0}, {4, -1}, {9, -2}, {10, -2}}, 12);
  Scores as_trained;  // what a SentencePiece vocabulary looks like: gaps, constants, ranks
  for (TokenId id = 3; id < 100; ++id) as_trained.emplace_back(id, -1000.0F);
  for (TokenId id = 110; id < 30'000; ++id)
    as_trained.emplace_back(id, 110.0F - static_cast<float>(id));
  for (TokenId id = 30'100; id < 30'200; ++id) as_trained.emplace_back(id, -1000.0F);
  check(as_trained, 30'300);
}

TEST_CASE("scores without any rule, and at the ends of what a float holds, stay the same bits") {
  constexpr float kMax = std::numeric_limits<float>::max();
  check({{0, kMax}, {1, -kMax}, {2, kMax}, {3, 0}, {4, kMax}}, 5);
  std::mt19937 random(3);
  std::uniform_real_distribution<float> value(-20, 0);
  std::uniform_int_distribution<int> choice(0, 4);
  for (int round = 0; round < 50; ++round) {
    Scores added;
    float score = value(random);
    float step = -0.1F;
    for (TokenId id = 0; id < 2000; ++id) {
      const int what = choice(random);
      if (what == 0) continue;
      if (what == 1) step = value(random) / 7;
      score = what == 2 ? value(random) : score + step;
      added.emplace_back(id, score);
    }
    check(added, 2000);
  }
}

}  // namespace
}  // namespace weft::inference
