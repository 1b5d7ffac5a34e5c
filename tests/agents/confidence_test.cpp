#include "agents/confidence.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace weft::agents {
namespace {

TEST_CASE("evidence is what generation and binding left behind") {
  retrieval::PassageHit first, second;
  first.text = "The tower is 330 metres high.";
  first.score = 8;
  second.text = "Paris is in France.";
  second.score = 6;
  Binding binding;
  binding.answer_coverage = 1;
  binding.question_coverage = 0.5;
  binding.verbatim = true;
  binding.passage = 1;
  binding.citations.resize(1);
  const std::vector<float> log_probabilities = {-0.5F, -1.5F, -100.0F};
  const auto evidence = evidence_of("How high is the tower?", "330 metres", log_probabilities,
                                    binding, {first, second});
  // -100 counts as the floor, -8: (-0.5 - 1.5 - 8) / 3.
  CHECK(evidence.mean_log_probability == Approx(-10.0 / 3));
  CHECK(evidence.min_log_probability == -8);
  CHECK(evidence.first_log_probability == Approx(-0.5));
  CHECK(evidence.support_rank == 0.5);
  CHECK(evidence.verbatim == 1);
  CHECK(evidence.passage_coverage == 1);  // "high" and "tower" stand in the first passage
  CHECK(evidence.novelty == 1);
  CHECK(evidence.score_margin == Approx(0.25));
}

TEST_CASE("confidence is a probability that rises with the evidence") {
  Evidence weak;
  weak.mean_log_probability = -2;
  weak.min_log_probability = -6;
  weak.first_log_probability = -3;
  Evidence strong;
  strong.answer_coverage = strong.question_coverage = strong.passage_coverage = 1;
  strong.verbatim = strong.novelty = strong.support_rank = 1;
  CHECK(confidence(weak) > 0);
  CHECK(confidence(strong) < 1);
  CHECK(confidence(weak) < 0.3);
  CHECK(confidence(strong) > 0.7);
}

TEST_CASE("a model that says it found nothing is believed") {
  CHECK(says_unknown("The passages do not mention a price."));
  CHECK(says_unknown("NOT FOUND"));
  CHECK_FALSE(says_unknown("It was found in 1922."));
}

}  // namespace
}  // namespace weft::agents
