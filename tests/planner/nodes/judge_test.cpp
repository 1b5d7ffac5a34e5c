#include "planner/nodes/judge.h"

#include <catch2/catch.hpp>

namespace weft::planner {
namespace {

using Scores = std::vector<double>;

TEST_CASE("scores are the numbers of the first line that says anything") {
  CHECK(parse_scores("8 7.5\nThe first, 9 of 10, is better.", 2) == Scores{8, 7.5});
  CHECK(parse_scores("\n  Scores: 3, 10.", 2) == Scores{3, 10});
  CHECK(parse_scores("1 2 3", 2) == Scores{1, 2});
  CHECK(parse_scores("5", 1) == Scores{5});
  for (const char* reply : {"", "8\n7", "eight seven", "8 11", "8 -7"}) {
    INFO(reply);
    CHECK_FALSE(parse_scores(reply, 2));
  }
}

TEST_CASE("a judge that prefers a place is told from one that prefers an answer") {
  // Equal answers, and one more point for what stands first: a tie that isn't consistent.
  const Verdict biased = verdict("7 6", "7 6");
  CHECK(biased.first == 6.5);
  CHECK(biased.second == 6.5);
  CHECK(biased.winner == Winner::kTie);
  CHECK_FALSE(biased.is_consistent);
  const Verdict fair = verdict("8 5", "5 8");
  CHECK(fair.winner == Winner::kFirst);
  CHECK(fair.is_consistent);
  CHECK(verdict("8 7", "7 8", 1).winner == Winner::kTie);
  // One reply that can't be read doesn't count; two make a tie of -1.
  CHECK(verdict("so", "2 9").winner == Winner::kFirst);
  CHECK_FALSE(verdict("so", "2 9").is_consistent);
  CHECK(verdict("so", "so").first == -1);
}

TEST_CASE("a judge's bias is counted over the pairs that can be read") {
  using enum Winner;
  const JudgeBias bias = judge_bias(
      {{kFirst, kFirst}, {kFirst, kSecond}, {kFirst, kSecond}, {kSecond, kFirst}, {kTie, {}}});
  CHECK(bias.pairs == 4);
  CHECK(bias.consistency == 0.25);
  CHECK(bias.prefers_first == 0.5);
  CHECK(bias.prefers_second == 0.25);
  CHECK(bias.delta() == 0.25);
  CHECK(bias.total() == 0.75);
  CHECK(judge_bias({}).pairs == 0);
}

TEST_CASE("prompts of judges have a place an answer, and a reference where there is one") {
  using Names = std::vector<std::string>;
  CHECK(judge_prompt({}).names() == Names{"question", "answer_1", "answer_2"});
  CHECK(judge_prompt({.answers = 3, .has_reference = true}).names() ==
        Names{"question", "reference", "answer_1", "answer_2", "answer_3"});
  CHECK(judge_prompt({.answers = 1}).names() == Names{"question", "reference", "answer_1"});
}

}  // namespace
}  // namespace weft::planner
