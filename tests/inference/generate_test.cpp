#include "inference/generate.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

struct Fixture {
  std::shared_ptr<const Model> model = tiny();
  std::vector<TokenId> prompt = model->tokenizer().encode("hello the on", false);

  Session open(std::size_t context = 0) {
    return Session::open(model, {.context_length_max = context}).value();
  }
  Generation run(Session& session, const GenerateOptions& options, const OnText& on_text = {}) {
    auto result = generate(session, prompt, options, on_text);
    REQUIRE(result);
    return *result;
  }
  Generation run(const GenerateOptions& options, const OnText& on_text = {}) {
    auto session = open();
    return run(session, options, on_text);
  }
  std::string raw_text(const std::vector<TokenId>& ids) const {
    std::string text;
    for (const TokenId id : ids) text += model->tokenizer().piece(id);
    return text;
  }
};

/// Lively and reproducible.
GenerateOptions options_for(std::size_t max_tokens) {
  GenerateOptions options;
  options.sampling = {.temperature = 1, .seed = 5};
  options.max_tokens = max_tokens;
  return options;
}

TEST_CASE("greedy generation takes the best token each time") {
  Fixture f;
  GenerateOptions options;
  options.max_tokens = 12;
  const Generation result = f.run(options);
  auto session = f.open();
  REQUIRE(session.append(f.prompt));
  for (std::size_t i = 0; i < result.ids.size(); ++i) {
    const TokenId best = sample(session.logits(), {}, 0);
    CHECK(result.ids[i] == best);
    CHECK(result.log_probabilities[i] == log_probability(session.logits(), best));
    REQUIRE(session.append(std::span(&best, 1)));
  }
  CHECK(result.log_probabilities.size() == result.ids.size());
}

TEST_CASE("generation ends after max_tokens, and the pieces add up to the text") {
  Fixture f;
  std::string pieces;
  const Generation result = f.run(options_for(20), [&](std::string_view text) {
    CHECK(is_valid_utf8(text));
    pieces += text;
    return true;
  });
  REQUIRE(result.ids.size() == 20);
  CHECK(result.finish_reason == FinishReason::kLength);
  CHECK(result.text == pieces);
  CHECK(result.text == repair_utf8(f.raw_text(result.ids)));
  CHECK(result.usage.prompt_tokens == f.prompt.size());
  CHECK(result.usage.cached_tokens == 0);
  CHECK(result.usage.answer_tokens == 20);
  CHECK(f.run(options_for(20)).ids == result.ids);
  CHECK(f.run(options_for(0)).ids.empty());
}

TEST_CASE("each token is told with its probability before its text is handed out") {
  Fixture f;
  std::vector<TokenId> ids;
  std::vector<float> values;
  GenerateOptions options = options_for(8);
  options.on_token = [&](TokenId id, float value) {
    ids.push_back(id);
    values.push_back(value);
  };
  std::size_t pieces = 0;  // at most one a token
  const Generation result = f.run(options, [&](std::string_view) {
    CHECK(ids.size() >= ++pieces);
    return true;
  });
  CHECK(pieces > 0);
  REQUIRE(result.ids.size() == 8);
  CHECK(ids == result.ids);
  CHECK(values == result.log_probabilities);
}

TEST_CASE("a part of the prompt is scored given what stands before it") {
  Fixture f;
  REQUIRE(f.prompt.size() >= 3);
  std::vector<float> expected;
  auto slow = f.open();
  for (std::size_t i = 0; i + 1 < f.prompt.size(); ++i) {
    REQUIRE(slow.append(std::span(&f.prompt[i], 1)));
    expected.push_back(log_probability(slow.logits(), f.prompt[i + 1]));
  }
  const Generation plain = f.run(options_for(4));
  auto session = f.open();
  for (std::size_t begin = 0; begin < f.prompt.size(); ++begin) {
    for (std::size_t end = begin; end <= f.prompt.size(); ++end) {
      std::vector<float> scored;
      GenerateOptions options = options_for(4);
      options.scored_begin = begin;
      options.scored_end = end;
      options.on_scored = [&](std::size_t i, float value) {
        CHECK(i == std::max<std::size_t>(begin, 1) + scored.size());
        scored.push_back(value);
      };
      CHECK(f.run(session, options).ids == plain.ids);
      const std::size_t first = std::min(std::max<std::size_t>(begin, 1), std::max(end, begin));
      CHECK(scored ==
            std::vector<float>(
                expected.begin() + static_cast<std::ptrdiff_t>(first) - 1,
                expected.begin() + static_cast<std::ptrdiff_t>(std::max(end, first)) - 1));
    }
  }
  GenerateOptions beyond;
  beyond.scored_end = f.prompt.size() + 1;
  CHECK(generate(session, f.prompt, beyond).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("a stop string that spans tokens ends the text before it") {
  Fixture f;
  const Generation whole = f.run(options_for(20));
  REQUIRE(whole.ids.size() == 20);
  const std::string raw = f.raw_text(whole.ids);
  for (std::size_t begin = 0; begin + 3 <= raw.size(); ++begin) {
    GenerateOptions options = options_for(20);
    options.stop = {raw.substr(begin, 3)};
    const Generation cut = f.run(options);
    CHECK(cut.finish_reason == FinishReason::kStop);
    CHECK(cut.text == repair_utf8(raw.substr(0, raw.find(options.stop[0]))));
    CHECK(std::equal(cut.ids.begin(), cut.ids.end(), whole.ids.begin()));
  }
}

TEST_CASE("an end token ends the answer and isn't part of it") {
  Fixture f;
  // With hot logits every token comes up soon; the end tokens too.
  GenerateOptions options = options_for(400);
  options.sampling.temperature = 50;
  options.sampling.seed = 6;
  const Generation result = f.run(options);
  REQUIRE(result.finish_reason == FinishReason::kStop);
  CHECK(result.ids.size() < 400);
  for (const TokenId id : result.ids) CHECK_FALSE(f.model->tokenizer().is_end_of_generation(id));
}

TEST_CASE("the callback and the stop token cancel; the text so far is kept") {
  Fixture f;
  int calls = 0;
  const Generation result = f.run(options_for(20), [&](std::string_view) { return ++calls < 3; });
  CHECK(result.finish_reason == FinishReason::kCancelled);
  CHECK(calls >= 3);
  CHECK(result.ids.size() < 20);

  std::stop_source stop;
  GenerateOptions options = options_for(20);
  options.stop_token = stop.get_token();
  const Generation stopped = f.run(options, [&](std::string_view) {
    stop.request_stop();
    return true;
  });
  CHECK(stopped.finish_reason == FinishReason::kCancelled);
  CHECK_FALSE(stopped.text.empty());
  const Generation at_once = f.run(options);
  CHECK(at_once.finish_reason == FinishReason::kCancelled);
  CHECK(at_once.ids.empty());
}

TEST_CASE("a common prefix is kept and changes nothing") {
  Fixture f;
  const Generation fresh = f.run(options_for(10));
  auto session = f.open();
  REQUIRE(session.append(f.prompt));
  CHECK(f.run(session, options_for(10)).usage.cached_tokens == f.prompt.size());
  const Generation again = f.run(session, options_for(10));
  CHECK(again.usage.cached_tokens == f.prompt.size() - 1);  // the last is read for its logits
  CHECK(again.ids == fresh.ids);
  CHECK(again.text == fresh.text);

  std::vector<TokenId> other = f.prompt;
  other[1] = 77;
  REQUIRE(session.truncate(0));
  REQUIRE(session.append(other));
  const Generation changed = f.run(session, options_for(10));
  CHECK(changed.usage.cached_tokens == 1);
  CHECK(changed.ids == fresh.ids);
}

TEST_CASE("a full context ends the answer; a prompt that fills it is refused") {
  Fixture f;
  auto session = f.open(f.prompt.size() + 4);
  const Generation result = f.run(session, options_for(20));
  CHECK(result.finish_reason == FinishReason::kLength);
  CHECK(result.ids.size() == 4);
  auto narrow = f.open(f.prompt.size());
  const auto refused = generate(narrow, f.prompt, options_for(20));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kResourceExhausted);
  CHECK(generate(session, {}, {}).error().code == ErrorCode::kInvalidArgument);
  GenerateOptions options;
  options.stop = {""};
  CHECK(generate(session, f.prompt, options).error().code == ErrorCode::kInvalidArgument);
  options = {};
  options.sampling.top_p = 2;
  CHECK(generate(session, f.prompt, options).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("drafts from the prompt change nothing but the number of steps") {
  Fixture f;
  std::size_t accepted = 0;
  for (const float temperature : {0.0F, 0.7F, 3.0F}) {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      GenerateOptions options = options_for(120);
      options.sampling.temperature = temperature;
      options.sampling.seed = seed;
      options.draft_tokens_max = 0;
      // A prompt that holds the answer invites drafts.
      const auto answer = f.run(options);
      auto prompt = f.prompt;
      prompt.insert(prompt.end(), answer.ids.begin(), answer.ids.end());
      prompt.insert(prompt.end(), f.prompt.begin(), f.prompt.end());
      auto plain_session = f.open();
      const auto plain = generate(plain_session, prompt, options);
      REQUIRE(plain);
      CHECK(plain->usage.drafted_tokens == 0);
      for (const std::size_t draft : {1UL, 3UL, 10UL, 40UL}) {
        options.draft_tokens_max = draft;
        std::vector<TokenId> told;
        options.on_token = [&](TokenId id, float) { told.push_back(id); };
        auto session = f.open();
        const auto drafted = generate(session, prompt, options);
        REQUIRE(drafted);
        CHECK(drafted->ids == plain->ids);
        CHECK(drafted->text == plain->text);
        CHECK(drafted->log_probabilities == plain->log_probabilities);
        CHECK(drafted->finish_reason == plain->finish_reason);
        CHECK(told == plain->ids);
        accepted += drafted->usage.accepted_tokens;
        // The session goes on as if there had been no drafts.
        GenerateOptions more = options_for(5);
        auto longer = prompt;
        longer.insert(longer.end(), drafted->ids.begin(), drafted->ids.end());
        const auto next = generate(session, longer, more);
        const auto plain_next = generate(plain_session, longer, more);
        REQUIRE(next);
        REQUIRE(plain_next);
        CHECK(next->ids == plain_next->ids);
      }
    }
  }
  CHECK(accepted > 0);
}

}  // namespace
}  // namespace weft::inference
