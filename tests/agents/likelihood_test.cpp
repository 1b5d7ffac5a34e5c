#include "agents/likelihood.h"

#include <catch2/catch.hpp>
#include <vector>

#include "inference/sampler.h"
#include "tests/inference/temporary_model.h"

namespace weft::agents {
namespace {

using inference::Session;
using inference::TokenId;

TEST_CASE(
    "a question's likelihood is what reading token by token gives, whatever was read before") {
  const auto model = inference::tiny();
  AnswerPrompt prompt;
  prompt.ids = {65, 66, 67, 68, 69, 70};
  prompt.question_begin = 2;
  prompt.question_end = 4;

  auto slow = Session::open(model).value();
  std::vector<float> expected = {0};
  for (std::size_t i = 0; i + 1 < prompt.ids.size(); ++i) {
    REQUIRE(slow.append(std::span(&prompt.ids[i], 1)));
    expected.push_back(inference::log_probability(slow.logits(), prompt.ids[i + 1]));
  }

  auto session = Session::open(model).value();
  for (int round = 0; round < 2; ++round) {
    const auto found = question_likelihood(session, prompt, {});
    REQUIRE(found);
    CHECK(*found == std::vector{expected[2], expected[3]});
  }
  auto narrow = Session::open(model, {.context_length_max = 4}).value();
  CHECK(question_likelihood(narrow, prompt, {}).error().code == ErrorCode::kResourceExhausted);
  std::stop_source stop;
  stop.request_stop();
  auto stopped = Session::open(model).value();
  CHECK(question_likelihood(stopped, prompt, stop.get_token())->empty());
}

TEST_CASE("the share explained is one minus the quotient of the surprises") {
  const std::vector<float> alone = {-4, -4};
  CHECK(explained_share(std::vector{-1.0F, -1.0F}, alone) == Approx(0.75));
  CHECK(explained_share(std::vector{0.0F, 0.0F}, alone) == 1);
  CHECK(explained_share(alone, alone) == 0);
  CHECK(explained_share(std::vector{-6.0F, -4.0F}, alone) == Approx(-0.25));
  CHECK(explained_share(std::vector{-100.0F, -4.0F}, alone) == -1);
  CHECK(explained_share({}, alone) == 0);
  CHECK(explained_share(alone, {}) == 0);
  CHECK(explained_share(alone, std::vector{0.0F}) == 0);
}

}  // namespace
}  // namespace weft::agents
