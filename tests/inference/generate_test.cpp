#include "inference/generate.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/utf8.h"
#include "inference/prefix_cache.h"
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

/// What an answer has from the model, with the scores of the prompt's tokens [64, 70).
struct Scored {
  std::vector<TokenId> ids;
  std::vector<float> log_probabilities;
  std::vector<float> scores;
  std::size_t cached = 0;

  bool same_bits(const Scored& other) const {
    return ids == other.ids && log_probabilities == other.log_probabilities &&
           scores == other.scores;
  }
};

Scored answer(Session& session, const std::vector<TokenId>& prompt, bool scores) {
  GenerateOptions options = options_for(6);
  Scored made;
  if (scores) {
    options.scored_begin = 64;
    options.scored_end = 70;
    options.on_scored = [&](std::size_t, float value) { made.scores.push_back(value); };
  }
  const auto result = generate(session, prompt, options).value();
  made.ids = result.ids;
  made.log_probabilities = result.log_probabilities;
  made.cached = result.usage.cached_tokens;
  return made;
}

/// Prompts that begin like others of them, up to the borders of blocks and past them.
std::vector<std::vector<TokenId>> prompts_that_begin_alike(std::mt19937& random) {
  const auto ids_of = [&](std::size_t n) {
    std::vector<TokenId> ids(n);
    for (TokenId& id : ids) id = static_cast<TokenId>(random() % 250);
    return ids;
  };
  const auto common = ids_of(200);
  std::vector<std::vector<TokenId>> prompts;
  for (const std::size_t shared : {0UL, 1UL, 63UL, 64UL, 65UL, 129UL, 200UL}) {
    auto prompt = ids_of(80);
    prompt.insert(prompt.begin(), common.begin(),
                  common.begin() + static_cast<std::ptrdiff_t>(shared));
    prompts.push_back(prompt);
  }
  return prompts;
}

TEST_CASE("answers have the same bits with what other sessions have read as without") {
  std::mt19937 random(4);
  for (const char* architecture : {"llama", "gemma3"}) {
    const auto model = tiny({.architecture = architecture}, *cpu_backend(1));
    PrefixCache prefixes(std::size_t{1} << 30);
    const auto open = [&](PrefixCache* known) {
      return Session::open(model, {.prefixes = known}).value();
    };
    auto first = open(&prefixes), second = open(&prefixes);
    const auto prompts = prompts_that_begin_alike(random);
    for (int round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < prompts.size(); ++i) {
        INFO(architecture << ", round " << round << ", prompt " << i);
        const bool scores = i % 2 == 0;
        auto alone = open(nullptr);
        const Scored expected = answer(alone, prompts[i], scores);
        CHECK(expected.cached == 0);
        const Scored made = answer(i % 3 == 0 ? first : second, prompts[i], scores);
        CHECK(made.same_bits(expected));
        // All but the token whose logits come first.
        if (round == 1) CHECK(made.cached == (scores ? 63 : prompts[i].size() - 1));
      }
    }
    auto third = open(&prefixes);
    CHECK(answer(third, prompts[1], false).cached == prompts[1].size() - 1);
    CHECK(third.resume(std::vector<TokenId>{251, 252}) == 0);
    CHECK(third.tokens().empty());
  }
}

TEST_CASE("a resumed session keeps its logits only where it has forgotten nothing") {
  Fixture f;
  PrefixCache prefixes(std::size_t{1} << 30);
  auto session = Session::open(f.model, {.prefixes = &prefixes}).value();
  REQUIRE(session.append(f.prompt));
  session.remember();
  CHECK(session.resume(f.prompt) == f.prompt.size());
  CHECK_FALSE(session.logits().empty());
  auto other = Session::open(f.model, {.context_length_max = 3, .prefixes = &prefixes}).value();
  CHECK(other.resume(f.prompt) == 3);  // what it can hold
  CHECK(other.logits().empty());
  CHECK(std::ranges::equal(other.tokens(), std::span(f.prompt).first(3)));
  CHECK(session.resume(std::span(f.prompt).first(2)) == 2);
  CHECK(session.logits().empty());
}

TEST_CASE("sessions on several threads share what they have read, within a limit") {
  std::mt19937 random(5);
  const auto model = tiny({}, *cpu_backend(1));
  const auto prompts = prompts_that_begin_alike(random);
  std::vector<Scored> expected;
  for (const auto& prompt : prompts) {
    auto alone = Session::open(model).value();
    expected.push_back(answer(alone, prompt, false));
  }
  auto probe = Session::open(model).value();
  REQUIRE(probe.append(std::vector<TokenId>{1}));
  const std::size_t limit = 6 * probe.kv_bytes();  // too little: blocks go while others read them
  PrefixCache prefixes(limit);
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (unsigned t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 own(t);
        auto session = Session::open(model, {.prefixes = &prefixes}).value();
        for (int round = 0; round < 12; ++round) {
          const std::size_t i = own() % prompts.size();
          if (!answer(session, prompts[i], false).same_bits(expected[i])) ++wrong;
          if (prefixes.size_bytes() > limit) ++wrong;
        }
      });
    }
  }
  CHECK(wrong == 0);
  CHECK(prefixes.size_bytes() > 0);
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
