#pragma once
// How sure the agent is that an answer is right and stands in the passages: a logistic model over
// what generation and binding leave behind. Below a threshold the agent abstains.
//
// Fitted by tests/eval/answers/fit.py on 246 questions about Wikipedia articles, written for the
// purpose and disjoint from all evaluation data, each asked with its passage in the collection and
// without. tests/eval/answers/RESULTS.md has what was measured, and what else was tried.

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "agents/citation.h"

namespace weft::agents {

/// What speaks for and against an answer.
struct Evidence {
  double mean_log_probability = 0;  // of the answer's tokens, natural log, each at least -8
  double question_coverage = 0;     // Binding's, 0..1
  double question_explained = 0;    // explained_share of likelihood.h, -1..1
  double novelty = 0;  // share of the answer's words that aren't the question's own, 0..1
  /// Else the question's tokens weren't scored: question_explained is 0 and counts for nothing.
  bool is_question_scored = true;

  static constexpr std::size_t kCount = 4;
  std::array<double, kCount> values() const;
  static std::array<std::string_view, kCount> names();
};

/// An answer and what was noted while it was made; all is borrowed. Tokens are given as their ln p.
struct AnswerTrace {
  std::string_view question;
  std::string_view answer;
  const Binding& binding;
  std::span<const float> answer_tokens;
  std::span<const float> question_tokens;  // with the passages before them
  std::span<const float> question_alone;   // and without
};

Evidence evidence_of(const AnswerTrace& trace);

/// The probability in (0, 1) that an answer with this evidence is right, where half of the
/// questions can't be answered from the documents. Where the question wasn't scored, by a model of
/// the other evidence alone, fitted likewise.
double confidence(const Evidence& evidence);

/// Below this an answer is withheld. On the calibration questions, cross-validated, it withholds
/// 82 % of the answers whose passage is missing and 10 % of the right ones (0.2: 77 and 10, 0.3: 83
/// and 14).
inline constexpr double kConfidenceThreshold = 0.25;

/// Whether the model itself says that it found no answer ("not mentioned in the passages").
bool says_unknown(std::string_view answer);

}  // namespace weft::agents
