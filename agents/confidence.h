#pragma once
// How sure the agent is that an answer is right and stands in the passages: a logistic model over
// what generation and binding leave behind. Below a threshold the agent abstains.
// How to fit and measure the weights: tests/eval/answers/ (calibrate.py, fit.py, evaluate.py).

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "agents/citation.h"
#include "retrieval/document.h"

namespace weft::agents {

/// What speaks for and against an answer; each in about 0..1 except the log-probabilities (<= 0).
struct Evidence {
  double mean_log_probability = 0;   // of the answer's tokens, natural log
  double min_log_probability = 0;
  double first_log_probability = 0;
  double answer_coverage = 0;    // Binding's
  double question_coverage = 0;
  double passage_coverage = 0;   // the question's words in the best passage as a whole
  double verbatim = 0;           // 0 or 1
  double novelty = 0;            // share of the answer's words that aren't the question's own
  double support_rank = 0;       // 1 / rank of the passage that supports it; 0 if none does
  double score_margin = 0;       // first retrieval score's lead over the last one's, by the first

  static constexpr std::size_t kCount = 10;
  std::array<double, kCount> values() const;
  static std::array<std::string_view, kCount> names();
};

Evidence evidence_of(std::string_view question, std::string_view answer,
                     std::span<const float> log_probabilities, const Binding& binding,
                     const std::vector<retrieval::PassageHit>& passages);

/// The probability in (0, 1) that an answer with this evidence is right.
double confidence(const Evidence& evidence);

/// Whether the model itself says that it found no answer ("not mentioned in the passages").
bool says_unknown(std::string_view answer);

}  // namespace weft::agents
