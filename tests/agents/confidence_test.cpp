#include "agents/confidence.h"

#include <catch2/catch.hpp>
#include <cmath>

namespace weft::agents {
namespace {

TEST_CASE("evidence is what generation and binding left behind") {
  Binding binding;
  binding.question_coverage = 0.5;
  const std::vector<float> answer = {-0.5F, -1.5F, -100.0F};
  const std::vector<float> with = {-1, -1};
  const std::vector<float> alone = {-2, -3};
  const Evidence evidence = evidence_of({.question = "How high is the tower?",
                                         .answer = "The tower: 330 metres",
                                         .binding = binding,
                                         .answer_tokens = answer,
                                         .question_tokens = with,
                                         .question_alone = alone});
  // -100 counts as the floor, -8: (-0.5 - 1.5 - 8) / 3.
  CHECK(evidence.mean_log_probability == Approx(-10.0 / 3));
  CHECK(evidence.question_coverage == 0.5);
  CHECK(evidence.question_explained == Approx(0.6));  // 1 - 2 / 5
  CHECK(evidence.novelty == Approx(2.0 / 3));         // "330" and "metres", not "tower"
}

TEST_CASE("confidence is the logistic of the fitted sum") {
  // At the means only the bias counts: 1 / (1 + e^1.1311).
  CHECK(confidence({-0.4617, 0.3138, 0.3449, 0.8482}) == Approx(0.24396).margin(1e-4));
  // -1.1311 + 0.6316 * 0.4617 / 0.4497 + 1.0011 * 0.6862 / 0.2614 + 0.6277 * 0.6551 / 0.2081
  //         + 0.2627 * 0.1518 / 0.2955 = 4.2563
  CHECK(confidence({0, 1, 1, 1}) == Approx(0.98602).margin(1e-4));
}

TEST_CASE("where the question wasn't scored, the other evidence has weights of its own") {
  const std::vector<float> answer = {-0.4617F};
  Binding binding;
  binding.question_coverage = 0.3138;
  const Evidence evidence = evidence_of({.question = "How high?",
                                         .answer = "330 metres",
                                         .binding = binding,
                                         .answer_tokens = answer,
                                         .question_tokens = {},
                                         .question_alone = {}});
  CHECK_FALSE(evidence.is_question_scored);
  // The bias, and the novelty of 1: -1.0271 + 0.3143 * 0.1518 / 0.2955 = -0.8656.
  CHECK(confidence(evidence) == Approx(0.29617).margin(1e-4));
  Evidence other = evidence;
  other.question_explained = 1;
  CHECK(confidence(other) == confidence(evidence));
}

TEST_CASE("confidence is a probability that rises with each piece of evidence") {
  const Evidence weak{-2, 0, 0, 0};
  const Evidence strong{0, 1, 0.8, 1};
  CHECK(confidence(weak) > 0);
  CHECK(confidence(strong) < 1);
  CHECK(confidence(weak) < 0.1);
  CHECK(confidence(strong) > 0.9);
  const Evidence middle{-0.4, 0.4, 0.4, 0.5};
  for (double Evidence::*part : {&Evidence::mean_log_probability, &Evidence::question_coverage,
                                 &Evidence::question_explained, &Evidence::novelty}) {
    Evidence more = middle;
    more.*part += 0.3;
    CHECK(confidence(more) > confidence(middle));
  }
}

TEST_CASE("a model that says it found nothing is believed") {
  CHECK(says_unknown("The passages do not mention a price."));
  CHECK(says_unknown("NOT FOUND"));
  CHECK_FALSE(says_unknown("It was found in 1922."));
}

}  // namespace
}  // namespace weft::agents
