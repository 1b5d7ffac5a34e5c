#include "inference/think_span.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <vector>

#include "inference/engine.h"
#include "inference/generate.h"
#include "tests/inference/temporary_model.h"
#include "tests/inference/tiny_vocabulary.h"

namespace weft::inference {
namespace {

/// Makes the answer begin with a script, whose last token then comes again and again.
class Script : public LogitsProcessor {
 public:
  explicit Script(std::vector<TokenId> ids) : ids_(std::move(ids)) {}
  Capabilities capabilities() const noexcept override {
    return {.needs_all_logits = false, .can_roll_back = true};
  }
  std::unique_ptr<LogitsProcessor> clone() const override {
    return std::make_unique<Script>(*this);
  }
  Result<void> begin(std::span<const TokenId>, std::size_t) override { return {}; }
  Result<void> apply(const LogitsRow& row) override {
    const std::size_t i = std::min(row.tokens.size() - row.prompt_tokens, ids_.size() - 1);
    std::ranges::fill(row.logits, -std::numeric_limits<float>::infinity());
    row.logits[static_cast<std::size_t>(ids_[i])] = 0;
    return {};
  }
  Result<void> commit(std::size_t) override { return {}; }
  Result<void> rollback(std::size_t) override { return {}; }

 private:
  std::vector<TokenId> ids_;
};

/// The tiny model's ids below 256 are bytes.
TokenId id_of(char c) { return static_cast<unsigned char>(c); }
std::vector<TokenId> ids_of(const std::string& text) {
  std::vector<TokenId> ids;
  for (const char c : text) ids.push_back(id_of(c));
  return ids;
}

/// "{" opens thinking, "}" closes it; a cap closes it with "-}-".
ThinkSpan braces(std::size_t tokens_max) {
  return {id_of('{'), id_of('}'), ids_of("-}-"), tokens_max};
}

struct Fixture {
  std::shared_ptr<const Model> model =
      tiny({}, *cpu_backend(1, cpu::best_level(), {.yield_to_load = false}));
  std::vector<TokenId> prompt = ids_of("Why?");

  GenerateOptions scripted(const std::string& script, std::size_t cap) const {
    GenerateOptions options;
    options.max_tokens = 5;
    options.think = braces(cap);
    options.logits = {std::make_shared<Script>(ids_of(script))};
    return options;
  }
  Generation run(const GenerateOptions& options, const OnText& on_text = {}) {
    auto session = Session::open(model).value();
    auto made = generate(session, prompt, options, on_text);
    REQUIRE(made);
    return *made;
  }
};

TEST_CASE("a character that thinking breaks off is told before the answer") {
  Fixture f;
  GenerateOptions options = f.scripted("{a\xC3}bcdef", 100);
  std::string told;
  options.on_think = [&](std::string_view text) {
    told += text;
    return true;
  };
  const auto made = f.run(options, [&](std::string_view text) {
    told += text;
    return true;
  });
  CHECK(made.thinking == "a\uFFFD");
  CHECK(made.text == "bcdef");
  CHECK(told == "a\uFFFDbcdef");
}

TEST_CASE("thinking is told apart from the answer, whose text and limits know nothing of it") {
  Fixture f;
  auto options = f.scripted("{stop,no}yes,stop", 100);
  options.stop = {"stop"};
  std::string thought, answer;
  options.on_think = [&](std::string_view text) {
    thought += text;
    return true;
  };
  std::vector<TokenId> told;
  options.on_token = [&](TokenId id, float) { told.push_back(id); };
  options.max_tokens = 20;
  const auto stopped = f.run(options, [&](std::string_view text) {
    CHECK(thought == "stop,no");
    answer += text;
    return true;
  });
  CHECK(stopped.text == "yes,");
  CHECK(answer == "yes,");
  CHECK(stopped.thinking == "stop,no");
  CHECK(thought == stopped.thinking);
  CHECK(stopped.finish_reason == FinishReason::kStop);
  CHECK(stopped.usage.think_tokens == 9);
  CHECK(stopped.usage.answer_tokens == 8);
  CHECK(told == ids_of("yes,stop"));
  CHECK(stopped.ids == ids_of("{stop,no}yes,stop"));

  options.max_tokens = 2;
  const auto cut = f.run(options);
  CHECK(cut.text == "ye");
  CHECK(cut.finish_reason == FinishReason::kLength);
  CHECK(cut.usage.think_tokens == 9);

  // Only the first token opens it; and who doesn't ask for spans gets one text.
  CHECK(f.run(f.scripted("a{b}c", 100)).text == "a{b}c");
  auto plain = f.scripted("{a}b", 100);
  plain.think.reset();
  CHECK(f.run(plain).text == "{a}bb");
  CHECK(f.run(plain).usage.think_tokens == 0);

  options.on_think = [](std::string_view) { return false; };
  CHECK(f.run(options).finish_reason == FinishReason::kCancelled);
}

TEST_CASE("thinking that never ends is closed at its cap, alone and in a batch") {
  Fixture f;
  Group group;
  std::vector<Generation> expected;
  for (const std::size_t cap : {0UL, 4UL, 5UL, 9UL, 40UL}) {
    auto options = f.scripted("{abcabcabcabcabcabcabcabcabcabcabcabcabcabc.", cap);
    options.max_tokens = 3;
    options.draft_tokens_max = 0;
    const auto plain = f.run(options);
    INFO("cap " << cap);
    // Opening and closing take four.
    const std::size_t used = std::max<std::size_t>(cap, 4);
    CHECK(plain.usage.think_tokens == used);
    CHECK(plain.usage.answer_tokens == 3);
    REQUIRE(plain.ids.size() == used + 3);
    CHECK(std::ranges::equal(std::span(plain.ids).subspan(used - 3, 3), ids_of("-}-")));
    CHECK(plain.thinking ==
          std::string("abcabcabcabcabcabcabcabcabcabcabcabcabcabc").substr(0, used - 4));
    options.draft_tokens_max = 10;
    const auto drafted = f.run(options);
    CHECK(drafted.ids == plain.ids);
    CHECK(drafted.text == plain.text);
    CHECK(drafted.thinking == plain.thinking);
    CHECK(drafted.log_probabilities == plain.log_probabilities);
    if (cap == 40) CHECK(drafted.usage.accepted_tokens > 0);
    group.requests.push_back({f.prompt, options});
    expected.push_back(plain);
  }
  auto engine = Engine::open(f.model).value();
  std::size_t ended = 0;
  REQUIRE(engine.submit(group, {{}, [&](AnswerId id, Result<Generation> made) {
                                  REQUIRE(made);
                                  CHECK(made->ids == expected[id.request].ids);
                                  CHECK(made->thinking == expected[id.request].thinking);
                                  CHECK(made->usage.think_tokens ==
                                        expected[id.request].usage.think_tokens);
                                  ++ended;
                                }}));
  engine.run();
  CHECK(ended == expected.size());
}

TEST_CASE("a prompt may end within thinking") {
  Fixture f;
  f.prompt = ids_of("Why?{a");
  const auto made = f.run(f.scripted("bc}d", 100));
  CHECK(made.thinking == "bc");
  CHECK(made.text == "ddddd");
  CHECK(made.usage.think_tokens == 3);
  // What is prefilled doesn't count; the rest of the cap does.
  const auto capped = f.run(f.scripted("b", 6));
  CHECK(capped.thinking == "bbb");
  CHECK(capped.usage.think_tokens == 6);

  const auto& tokenizer = f.model->tokenizer();
  const TokenId turn = tokenizer.find("<|im_start|>").value();
  auto earlier = ids_of("what does { mean?");
  CHECK(ends_in_thinking(braces(9), tokenizer, earlier));
  earlier.push_back(turn);
  CHECK_FALSE(ends_in_thinking(braces(9), tokenizer, earlier));
  CHECK_FALSE(ends_in_thinking(braces(9), tokenizer, ids_of("{a}b")));
  CHECK_FALSE(ends_in_thinking(braces(9), tokenizer, {}));
}

TEST_CASE("the marks are found in the vocabulary, and checked") {
  TinyVocabulary vocabulary;
  CHECK_FALSE(find_think_span(vocabulary.read().value()));  // it has no close
  vocabulary.add("</think>", 4);
  const auto tokenizer = vocabulary.read().value();
  const auto found = find_think_span(tokenizer);
  REQUIRE(found);
  CHECK(tokenizer.piece(found->open) == "<think>");
  CHECK(tokenizer.piece(found->close) == "</think>");
  CHECK(tokenizer.decode(found->closing) == "\n</think>\n\n");
  CHECK(validate(*found, tokenizer.size()));
  auto wrong = *found;
  wrong.closing = {1};
  CHECK(validate(wrong, tokenizer.size()).error().code == ErrorCode::kInvalidArgument);
  CHECK_FALSE(validate(*found, static_cast<std::size_t>(found->close)));
  Fixture f;
  auto options = f.scripted("a", 5);
  options.think->closing.clear();
  auto session = Session::open(f.model).value();
  CHECK(generate(session, f.prompt, options).error().code == ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weft::inference
