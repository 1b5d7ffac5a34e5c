#include "agents/confidence.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "agents/lexical.h"

namespace weft::agents {
namespace {

// Log-probabilities below this carry no further information.
constexpr double kLogProbabilityFloor = -8;

struct Weight {
  double mean, scale, weight;
};

// Chosen by hand so far: neutral where a careful reader would hesitate. tests/eval/answers/fit.py
// prints a fitted table from calibrate.py's data, which is not evaluation data.
constexpr double kBias = 0.2;
constexpr std::array<Weight, Evidence::kCount> kWeights = {{
    {-0.35, 1, 2},  // mean_log_probability
    {0, 1, 0},      // min_log_probability
    {0, 1, 0},      // first_log_probability
    {0.9, 1, 2},    // answer_coverage
    {0.5, 1, 3},    // question_coverage
    {0.7, 1, 3},    // passage_coverage
    {0, 1, 0},      // verbatim
    {0, 1, 0},      // novelty
    {0, 1, 0},      // support_rank
    {0, 1, 0},      // score_margin
}};

double share_in(const std::unordered_set<std::string>& wanted,
                const std::unordered_set<std::string>& in) {
  if (wanted.empty()) return 0;
  const auto found = std::ranges::count_if(wanted, [&](const auto& stem) { return in.contains(stem); });
  return static_cast<double>(found) / static_cast<double>(wanted.size());
}

}  // namespace

std::array<double, Evidence::kCount> Evidence::values() const {
  return {mean_log_probability, min_log_probability, first_log_probability, answer_coverage,
          question_coverage,    passage_coverage,    verbatim,              novelty,
          support_rank,         score_margin};
}

std::array<std::string_view, Evidence::kCount> Evidence::names() {
  return {"mean_log_probability", "min_log_probability", "first_log_probability",
          "answer_coverage",      "question_coverage",   "passage_coverage",
          "verbatim",             "novelty",             "support_rank",
          "score_margin"};
}

Evidence evidence_of(std::string_view question, std::string_view answer,
                     std::span<const float> log_probabilities, const Binding& binding,
                     const std::vector<retrieval::PassageHit>& passages) {
  Evidence evidence;
  if (!log_probabilities.empty()) {
    double sum = 0, least = 0;
    for (const float value : log_probabilities) {
      const double floored = std::max<double>(value, kLogProbabilityFloor);
      sum += floored;
      least = std::min(least, floored);
    }
    evidence.mean_log_probability = sum / static_cast<double>(log_probabilities.size());
    evidence.min_log_probability = least;
    evidence.first_log_probability =
        std::max<double>(log_probabilities.front(), kLogProbabilityFloor);
  }
  evidence.answer_coverage = binding.answer_coverage;
  evidence.question_coverage = binding.question_coverage;
  evidence.verbatim = binding.verbatim ? 1 : 0;
  if (!binding.citations.empty()) {
    evidence.support_rank = 1 / static_cast<double>(binding.passage + 1);
  }
  const auto asked = content_stems(words(question));
  for (const auto& passage : passages) {
    const auto held = content_stems(words(passage.title + " " + passage.heading_path + " " + passage.text));
    evidence.passage_coverage = std::max(evidence.passage_coverage, share_in(asked, held));
  }
  evidence.novelty = 1 - share_in(content_stems(words(answer)), asked);
  if (passages.size() > 1 && passages.front().score > 0) {
    evidence.score_margin = 1 - passages.back().score / passages.front().score;
  }
  return evidence;
}

double confidence(const Evidence& evidence) {
  const auto values = evidence.values();
  double sum = kBias;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += kWeights[i].weight * (values[i] - kWeights[i].mean) / kWeights[i].scale;
  }
  return 1 / (1 + std::exp(-sum));
}

bool says_unknown(std::string_view answer) {
  static constexpr std::array<std::string_view, 12> kPhrases = {
      "not found",         "not mentioned",   "not provided",    "not specified",
      "does not mention",  "do not mention",  "doesn't mention", "does not provide",
      "don't mention",     "not stated",      "no information",  "do not provide"};
  std::string lower;
  for (const char c : answer) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::ranges::any_of(kPhrases,
                             [&](auto phrase) { return lower.find(phrase) != std::string::npos; });
}

}  // namespace weft::agents
