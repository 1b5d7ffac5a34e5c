#include "agents/confidence.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <unordered_set>

#include "agents/lexical.h"
#include "agents/likelihood.h"

namespace weft::agents {
namespace {

// A token's log-probability below this carries no further information.
constexpr double kLogProbabilityFloor = -8;

struct Weight {
  double mean, scale, weight;
};

// Printed by tests/eval/answers/fit.py; to change the evidence, change it there and fit anew.
constexpr double kBias = -1.1311;
constexpr std::array<Weight, Evidence::kCount> kWeights = {{
    {-0.4617, 0.4497, 0.6316},  // mean_log_probability
    {0.3138, 0.2614, 1.0011},   // question_coverage
    {0.3449, 0.2081, 0.6277},   // question_explained
    {0.8482, 0.2955, 0.2627},   // novelty
}};

// The same, printed with `--without question_explained`: for models that can't score a question.
constexpr double kBiasUnscored = -1.0271;
constexpr std::array<Weight, Evidence::kCount> kWeightsUnscored = {{
    {-0.4617, 0.4497, 0.5971},  // mean_log_probability
    {0.3138, 0.2614, 1.2422},   // question_coverage
    {0, 1, 0},                  // question_explained
    {0.8482, 0.2955, 0.3143},   // novelty
}};

double mean_log_probability(std::span<const float> tokens) {
  double sum = 0;
  for (const float value : tokens) sum += std::max<double>(value, kLogProbabilityFloor);
  return tokens.empty() ? 0 : sum / static_cast<double>(tokens.size());
}

double share_in(const std::unordered_set<std::string>& wanted,
                const std::unordered_set<std::string>& in) {
  if (wanted.empty()) return 0;
  const auto found =
      std::ranges::count_if(wanted, [&](const auto& stem) { return in.contains(stem); });
  return static_cast<double>(found) / static_cast<double>(wanted.size());
}

}  // namespace

std::array<double, Evidence::kCount> Evidence::values() const {
  return {mean_log_probability, question_coverage, question_explained, novelty};
}

std::array<std::string_view, Evidence::kCount> Evidence::names() {
  return {"mean_log_probability", "question_coverage", "question_explained", "novelty"};
}

Evidence evidence_of(const AnswerTrace& trace) {
  return {.mean_log_probability = mean_log_probability(trace.answer_tokens),
          .question_coverage = trace.binding.question_coverage,
          .question_explained = explained_share(trace.question_tokens, trace.question_alone),
          .novelty = 1 - share_in(content_stems(words(trace.answer)),
                                  content_stems(words(trace.question))),
          .is_question_scored = !trace.question_tokens.empty() && !trace.question_alone.empty()};
}

double confidence(const Evidence& evidence) {
  const auto values = evidence.values();
  const auto& weights = evidence.is_question_scored ? kWeights : kWeightsUnscored;
  double sum = evidence.is_question_scored ? kBias : kBiasUnscored;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += weights[i].weight * (values[i] - weights[i].mean) / weights[i].scale;
  }
  return 1 / (1 + std::exp(-sum));
}

bool says_unknown(std::string_view answer) {
  static constexpr std::array<std::string_view, 12> kPhrases = {
      "not found",        "not mentioned",  "not provided",    "not specified",
      "does not mention", "do not mention", "doesn't mention", "does not provide",
      "don't mention",    "not stated",     "no information",  "do not provide"};
  std::string lower;
  for (const char c : answer) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::ranges::any_of(kPhrases,
                             [&](auto phrase) { return lower.find(phrase) != std::string::npos; });
}

}  // namespace weft::agents
