#pragma once
// A model as a judge of answers: scores from 1 to 10 on the first line, reasons after it. A judge
// prefers a place as well as an answer, so a pair is asked twice, the second time with the answers
// swapped. Source: Zhu et al. 2023 (JudgeLM), sections 3 and 5.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "planner/function.h"
#include "planner/prompt_template.h"

namespace weft::planner {

struct JudgePrompt {
  std::size_t answers = 2;     // named answer_1, answer_2, ... ; 1: beside the reference alone
  bool has_reference = false;  // named reference; of one answer, it is there always
};
/// A prompt with the places question, reference and the answers', fixed part first. Of one answer,
/// the reference is the first of two and is said to have 10.
PromptTemplate judge_prompt(const JudgePrompt& prompt);

/// The numbers on the first line that says anything, `count` of them; nothing if there are fewer or
/// one isn't within 0 to 10. More than `count` are read up to there.
std::optional<std::vector<double>> parse_scores(std::string_view reply, std::size_t count);

enum class Winner { kFirst, kSecond, kTie };
std::string_view to_string(Winner winner) noexcept;  // "first", "second", "tie"

struct Verdict {
  double first = -1;  // the mean score of both orders; -1: unparsable
  double second = -1;
  Winner winner = Winner::kTie;
  bool is_consistent = false;  // both orders say the same
};
/// From the reply to the answers in order and to the swapped ones. A reply that can't be read
/// doesn't count; with none that can, it is a tie of -1. The winner leads by more than `margin`.
Verdict verdict(std::string_view straight, std::string_view swapped, double margin = 0);

/// The mean scores of `count` answers, from the reply to them in order and to them in reverse. A
/// reply that can't be read doesn't count; nothing if none can.
std::optional<std::vector<double>> mean_scores(std::string_view straight, std::string_view reversed,
                                               std::size_t count);

/// How a judge does over many pairs: what `straight` and `swapped` said of each, both as the
/// answers' own places. Shares of 1; pairs that can't be read are left out of `pairs`.
struct JudgeBias {
  std::size_t pairs = 0;
  double consistency = 0;    // the same verdict both times
  double prefers_first = 0;  // what stood first won, both times
  double prefers_second = 0;
  double delta() const noexcept;  // |first - second|
  double total() const noexcept { return prefers_first + prefers_second; }
};
struct JudgedPair {
  std::optional<Winner> straight;
  std::optional<Winner> swapped;  // translated back: kFirst is the answer that was first at first
};
JudgeBias judge_bias(const std::vector<JudgedPair>& pairs);

/// As nodes, of the reply to the answers in order and, where it `swaps`, of the other one too: text
/// to list<number> and, beside a reference, to the answer's own number, with kInvalidArgument if
/// they can't be read; texts to "first", "second" or "tie", by scores or, choice_function(), by the
/// first 1 or 2 in each.
FunctionPtr parse_scores_function(std::size_t count);
FunctionPtr mean_scores_function(std::size_t count, bool swaps);
FunctionPtr single_score_function();
FunctionPtr verdict_function(double margin, bool swaps = true);
FunctionPtr choice_function(bool swaps);

}  // namespace weft::planner
