#include "agents/prompt.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/inference/temporary_model.h"

namespace weft::agents {
namespace {

std::string text_of(const inference::Model& model, std::span<const inference::TokenId> ids) {
  std::string text;
  for (const auto id : ids) text += model.tokenizer().piece(id);
  return text;
}

std::vector<retrieval::PassageHit> two_passages() {
  retrieval::PassageHit first, second;
  first.title = "Towers";
  first.text = "The tower is 330 metres high.";
  second.text = "Paris is in France.";
  return {first, second};
}

struct Fixture {
  std::shared_ptr<const inference::Model> model = inference::tiny({.context_length = 4096});

  AnswerPrompt prompt(std::string_view question,
                      const std::vector<inference::ChatMessage>& history = {},
                      std::size_t tokens_max = 4096) const {
    auto made =
        answer_prompt(*model, question, two_passages(), history, {.tokens_max = tokens_max});
    REQUIRE(made);
    return *made;
  }
  std::string text(const AnswerPrompt& of) const { return text_of(*model, of.ids); }
  std::string question(const AnswerPrompt& of) const {
    return text_of(
        *model, std::span(of.ids).subspan(of.question_begin, of.question_end - of.question_begin));
  }
};

TEST_CASE("a prompt holds the passages in order, then the question") {
  Fixture f;
  const auto prompt = f.prompt("How high is it?");
  CHECK(prompt.passages == 2);
  const std::string text = f.text(prompt);
  const auto first = text.find("Passage 1 (Towers): The tower is 330 metres high.");
  const auto second = text.find("Passage 2: Paris is in France.");
  const auto question = text.find("Question: How high is it?");
  REQUIRE(first != std::string::npos);
  REQUIRE(second != std::string::npos);
  REQUIRE(question != std::string::npos);
  CHECK(first < second);
  CHECK(second < question);
}

TEST_CASE("the question's tokens are found, whatever it repeats or is joined to") {
  Fixture f;
  for (const std::string question :
       {"How high is it?", "Answer:", "Question: Question:", " ", "a", "Is it the tower?\n"}) {
    CAPTURE(question);
    const auto prompt = f.prompt(question);
    const auto bare = bare_prompt(*f.model, question, {}, 0);
    REQUIRE(bare);
    REQUIRE(prompt.question_begin <= prompt.question_end);
    REQUIRE(prompt.question_end < prompt.ids.size());
    // A token may reach over the question's edges, so the found text may be a little longer, and
    // shorter where the text after it goes on as the question ends ("a" before "\nA" doesn't).
    CHECK(f.question(prompt).size() <= question.size() + 8);
    CHECK(f.question(*bare) == f.question(prompt));
  }
  CHECK(f.question(f.prompt("How high is it?")).find("How high is it") != std::string::npos);
}

TEST_CASE("a bare prompt asks the same without passages") {
  Fixture f;
  const auto bare = bare_prompt(*f.model, "How high is it?", {}, 0);
  REQUIRE(bare);
  CHECK(bare->passages == 0);
  CHECK(f.text(*bare).find("Passage 1") == std::string::npos);
  CHECK(f.text(*bare).find("Question: How high is it?") != std::string::npos);
}

TEST_CASE("what doesn't fit is dropped: old turns first, then passages from the last on") {
  Fixture f;
  const std::vector<inference::ChatMessage> history = {{"user", "Where is Paris?"},
                                                       {"assistant", "France"}};
  const auto all = f.prompt("How high?", history);
  CHECK(f.text(all).find("Where is Paris?") != std::string::npos);
  const auto without_turns = f.prompt("How high?", history, all.ids.size() - 1);
  CHECK(without_turns.passages == 2);
  CHECK(f.text(without_turns).find("Where is Paris?") == std::string::npos);
  const auto one = f.prompt("How high?", history, without_turns.ids.size() - 1);
  CHECK(one.passages == 1);
  CHECK(f.text(one).find("Passage 2") == std::string::npos);
  const auto none = answer_prompt(*f.model, "How high?", two_passages(), history,
                                  {.tokens_max = one.ids.size() - 1});
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace weft::agents
