#pragma once
// Exact match, token F1 and containment of an answer against accepted ones, with SQuAD's
// normalisation: lower case, ASCII punctuation and the articles a, an, the dropped, white space
// squeezed. Source: Rajpurkar et al. 2016, the evaluation script of SQuAD 1.1.

#include <span>
#include <string>
#include <string_view>

namespace weft::agents {

std::string normalize_answer(std::string_view answer);

struct AnswerScore {
  double exact_match = 0;  // 0 or 1
  double f1 = 0;           // over tokens, 0..1
  double contains = 0;     // 1 if an accepted answer's tokens stand in it in order, adjacent

  friend bool operator==(const AnswerScore&, const AnswerScore&) = default;
};

/// The best over `accepted` of each figure. F1 of two empty answers is 1, of one empty is 0.
AnswerScore score_answer(std::string_view answer, std::span<const std::string> accepted);

}  // namespace weft::agents
