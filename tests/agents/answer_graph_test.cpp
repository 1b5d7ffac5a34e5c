// The graph that answers: one program for local and remote models, stopped at each of its nodes.

#include "agents/answer_graph.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/agents/asking.h"

namespace weft::agents {
namespace {

using inference::FinishReason;

TEST_CASE("the program is the same with any model, or none") {
  const auto bare = answer_program();
  REQUIRE(bare);
  Asking asking;
  LocalAnswerModel local = asking.local_model();
  const ServedModel server("1969");
  RemoteAnswerModel served(*server);
  for (AnswerModel* model : std::initializer_list<AnswerModel*>{&local, &served}) {
    const auto whole = answer_program({.store = &asking.store, .model = model});
    REQUIRE(whole);
    CHECK(whole->hash() == bare->hash());
  }
  CHECK(local.identity() != served.identity());
  const std::string picture = bare->mermaid();
  for (const char* node : {"retrieve", "compose", "question alone", "answer", "abstain", "cite"}) {
    CHECK(picture.find("[\"" + std::string(node) + "\"]") != std::string::npos);
  }
}

TEST_CASE("what is answered is what its parts give: text, citations, passages, evidence") {
  Asking asking;
  const Answer local = asking.ask({.threshold = 0}).value();
  CHECK(local.text == asking.shown);
  CHECK(local.passages.size() == 2);
  CHECK(local.usage.answer_tokens > 0);
  CHECK(local.usage.probe_tokens > 0);
  CHECK(local.evidence.is_question_scored);
  CHECK(local.first_token >= local.retrieval);
  const ServedModel server("In 1969");
  RemoteAnsweringAgent remote(asking.store, *server);
  const Answer served = remote.ask(kQuestion, {.collection = "c"}).value();
  CHECK(served.text == "In 1969");
  CHECK_FALSE(served.evidence.is_question_scored);
  REQUIRE_FALSE(served.citations.empty());
  CHECK(served.citations[0].source == "moon.md");
  CHECK(served.usage.probe_tokens == 0);
}

TEST_CASE("withheld answers and questions without passages abstain, and show that") {
  Asking asking;
  const Answer withheld = asking.ask({.threshold = 1}).value();
  CHECK(withheld.abstained);
  CHECK(withheld.text == kAbstention);
  CHECK(asking.shown == kAbstention);
  CHECK(withheld.finish_reason == FinishReason::kStop);
  CHECK(withheld.citations.empty());
  CHECK(withheld.passages.size() == 2);
  asking.shown.clear();
  const Answer nothing = asking.ask({}, "xyzzy plugh?").value();
  CHECK(nothing.abstained);
  CHECK(asking.shown == kAbstention);
  CHECK(nothing.passages.empty());
  CHECK(nothing.usage.prompt_tokens == 0);
}

TEST_CASE("errors are those of the node that failed, as they are") {
  Asking asking;
  const auto missing = asking.agent.ask(kQuestion, {.collection = "none"});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK(missing.error().message.find("node ") == std::string::npos);
  const auto long_question = asking.ask({}, "Moon " + std::string(5000, 'x'));
  REQUIRE_FALSE(long_question);
  CHECK(long_question.error().code == ErrorCode::kResourceExhausted);
  CHECK(long_question.error().message.starts_with("the question and one passage"));
}

/// A model that asks for a stop when the program comes to one of its nodes.
class StoppingModel final : public AnswerModel {
 public:
  StoppingModel(LocalAnswerModel model, std::string at, std::stop_source stop)
      : model_(std::move(model)), at_(std::move(at)), stop_(std::move(stop)) {}

  const std::string& name() const noexcept override { return model_.name(); }
  std::string identity() const override { return model_.identity(); }
  Result<ComposedPrompt> compose(const Asked& asked) override {
    if (at_ == "compose") stop_.request_stop();
    return model_.compose(asked);
  }
  Result<QuestionAlone> question_alone(const Asked& asked, const ComposedPrompt& prompt,
                                       const Listener& listener) override {
    if (at_ == "question alone") stop_.request_stop();
    auto alone = model_.question_alone(asked, prompt, listener);
    probed = alone && !alone->log_probabilities.empty();
    return alone;
  }
  Result<Draft> answer(const Asked& asked, const ComposedPrompt& prompt, const QuestionAlone& alone,
                       const Listener& listener) override {
    if (at_ == "answer") stop_.request_stop();
    return model_.answer(asked, prompt, alone, listener);
  }

  bool probed = false;

 private:
  LocalAnswerModel model_;
  std::string at_;
  std::stop_source stop_;
};

TEST_CASE("a stop at any node gives what there is") {
  Asking asking;
  for (const char* at : {"retrieve", "compose", "question alone", "answer"}) {
    CAPTURE(at);
    std::stop_source stop;
    if (std::string(at) == "retrieve") stop.request_stop();  // so short a search doesn't see it
    StoppingModel model(asking.local_model(), at, stop);
    const auto answer =
        run_answer({.store = asking.store, .model = model}, kQuestion,
                   {.collection = "c", .threshold = 0, .stop = stop.get_token()}, {});
    REQUIRE(answer);
    CHECK(answer->finish_reason == FinishReason::kCancelled);
    CHECK(answer->text.empty());
    CHECK(answer->passages.size() == 2);
    CHECK(model.probed == (std::string(at) == "answer"));
  }
  // A reader who goes in the middle of the answer.
  const auto gone = asking.agent.ask(kQuestion, {.collection = "c", .threshold = 0},
                                     [](std::string_view) { return false; });
  REQUIRE(gone);
  CHECK(gone->finish_reason == FinishReason::kCancelled);
  CHECK_FALSE(gone->text.empty());
}

}  // namespace
}  // namespace weft::agents
