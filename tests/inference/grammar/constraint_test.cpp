#include "inference/grammar/constraint.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "inference/engine.h"
#include "inference/generate.h"
#include "inference/grammar/json_schema.h"
#include "inference/grammar/regex.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference::grammar {
namespace {

struct Setup {
  std::shared_ptr<const Model> model = tiny();
  std::shared_ptr<const TokenTrie> trie = *TokenTrie::of(model->tokenizer());

  GenerateOptions options(const Grammar& grammar, std::uint64_t seed) const {
    const auto automaton = compile(grammar);
    REQUIRE(automaton);
    GenerateOptions made;
    made.sampling.temperature = 1;
    made.sampling.seed = seed;
    made.max_tokens = 120;
    made.logits.emplace_back(constrain(*automaton, trie));
    return made;
  }
  std::vector<TokenId> prompt() const {
    return model->tokenizer().encode("{\"a\": [1, 2, 2, 2], \"b\": \"xx\"} {\"a\": [1,", false);
  }
};

Generation made_alone(const Setup& setup, const GenerateOptions& options) {
  auto session = Session::open(setup.model, {.context_length_max = 400});
  REQUIRE(session);
  auto made = generate(*session, setup.prompt(), options);
  if (!made) FAIL(made.error().message);
  return *std::move(made);
}

const char* const kSchema = R"({"type":"object","properties":{
  "a":{"type":"array","items":{"type":"integer","minimum":0,"maximum":300},"maxItems":6},
  "b":{"type":"string","maxLength":8},"c":{"enum":["xx","yy"]}},"required":["a","c"]})";

TEST_CASE("random weights make JSON that the schema accepts, with drafts and without") {
  const Setup setup;
  const auto grammar = read_json_schema(kSchema);
  REQUIRE(grammar);
  std::size_t drafted = 0;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    CAPTURE(seed);
    auto options = setup.options(*grammar, seed);
    const Generation made = made_alone(setup, options);
    drafted += made.usage.drafted_tokens;
    options.draft_tokens_max = 0;
    CHECK(made_alone(setup, options).ids == made.ids);
    CAPTURE(made.text);
    REQUIRE(made.finish_reason == FinishReason::kStop);
    const auto json = nlohmann::json::parse(made.text, nullptr, false);
    REQUIRE(json.is_object());
    CHECK((json["c"] == "xx" || json["c"] == "yy"));
    REQUIRE(json["a"].is_array());
    CHECK(json["a"].size() <= 6);
    for (const auto& each : json["a"]) CHECK((each >= 0 && each <= 300));
  }
  // Else nothing was compared.
  CHECK(drafted > 0);
}

TEST_CASE("text that a grammar forces is read together, and the answer is the same") {
  const Setup setup;
  // The model has no habit of long keys: its own choice decides how much of a draft is right.
  const auto grammar = read_json_schema(
      R"({"type":"object","properties":{"hello the one":{"type":"integer","minimum":0,"maximum":99},
        "another member":{"enum":["the only value"]}},"required":["hello the one","another member"]})");
  REQUIRE(grammar);
  std::size_t accepted = 0;
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    CAPTURE(seed);
    auto options = setup.options(*grammar, seed);
    // The longest tokens are likelier, as they are for a model that has learned to write.
    LogitBias habit;
    for (TokenId id = 256; static_cast<std::size_t>(id) < setup.trie->vocabulary(); ++id) {
      habit.entries.push_back({id, 50});
    }
    options.logits.insert(options.logits.begin(), habit);
    const Generation made = made_alone(setup, options);
    REQUIRE(made.finish_reason == FinishReason::kStop);
    accepted += made.usage.accepted_tokens;
    options.draft_tokens_max = 0;
    const Generation plain = made_alone(setup, options);
    CHECK(made.ids == plain.ids);
    CHECK(made.log_probabilities == plain.log_probabilities);
    CHECK(plain.usage.drafted_tokens == 0);
  }
  CHECK(accepted > 100);
}

TEST_CASE("samples of one request each follow the grammar on their own") {
  const Setup setup;
  const auto grammar = regex_grammar("[a-c]{3}-[0-9]{2}");
  REQUIRE(grammar);
  auto engine = Engine::open(setup.model, {.context_length_max = 400});
  REQUIRE(engine);
  std::vector<std::string> texts;
  EngineEvents events;
  events.on_end = [&](AnswerId, Result<Generation> made) {
    REQUIRE(made);
    texts.push_back(made->text);
  };
  const auto options = setup.options(*grammar, 3);
  auto other = setup.options(*grammar, 4);
  REQUIRE(engine->submit({{{setup.prompt(), options}, {setup.prompt(), other}}}, events));
  engine->run();
  REQUIRE(texts.size() == 2);
  for (const std::string& text : texts) {
    CAPTURE(text);
    CHECK(text.size() == 6);
    CHECK(text.find_first_not_of("abc") == 3);
    CHECK(text[3] == '-');
  }
}

TEST_CASE("thinking is free, and the grammar begins with the answer") {
  const Setup setup;
  const auto grammar = regex_grammar("[x-z]{4}");
  REQUIRE(grammar);
  const auto automaton = compile(*grammar);
  REQUIRE(automaton);
  const TokenId open = '<';
  const TokenId close = '>';
  const ThinkSpan think{open, close, {close}, 6};
  auto options = setup.options(*grammar, 1);
  // Opened by a bias, for random weights wouldn't think.
  options.logits = {LogitBias{{{open, 100}}}, constrain(*automaton, setup.trie, {think})};
  options.think = think;
  const Generation made = made_alone(setup, options);
  CHECK(made.usage.think_tokens > 2);
  CAPTURE(made.text);
  CHECK(made.text.size() == 4);
  CHECK(made.text.find_first_not_of("xyz") == std::string::npos);
}

TEST_CASE("a mask forbids what has no bit, and what lies beyond its bits") {
  const std::vector<std::uint64_t> bits = {~std::uint64_t{0} << 1, 2, 0};
  std::vector<float> logits(200, 1);
  apply_mask(bits, logits);
  std::vector<std::size_t> allowed;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] == 1) allowed.push_back(i);
  }
  REQUIRE(allowed.size() == 64);
  CHECK(allowed.front() == 1);
  CHECK(allowed[62] == 63);
  CHECK(allowed[63] == 65);
}

}  // namespace
}  // namespace weft::inference::grammar
