#include "inference/grammar/monitor.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "inference/generate.h"
#include "inference/sampler.h"
#include "inference/session.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference::grammar {
namespace {

constexpr TokenId kEnd = 11;
const std::vector<std::string> kNames = {"withIp", "withPort"};

/// A vocabulary by its texts, and a last token that ends answers.
std::shared_ptr<const TokenTrie> trie_of(std::vector<std::string_view> pieces) {
  const auto end = static_cast<TokenId>(pieces.size());
  pieces.emplace_back("");
  return TokenTrie::of(pieces, {end}).value();
}

/// That of the paper's example.
std::shared_ptr<const TokenTrie> example() {
  return trie_of({"with", "wit", "h", "Ip", "I", "p", "Port", "(", "x", ".", "Ip("});
}

std::shared_ptr<const LogitsProcessor> names_after(const std::string& trigger,
                                                   const std::shared_ptr<const TokenTrie>& trie) {
  const auto monitor = name_monitor({trigger, [](std::string_view) { return kNames; }}, trie);
  return watch(monitor.value(), trie);
}

/// An answer's steps as Decoding makes them.
struct Answer {
  std::unique_ptr<LogitsProcessor> processor;
  const TokenTrie& trie;
  std::vector<TokenId> tokens;
  std::string text;

  Answer(const LogitsProcessor& made, const TokenTrie& vocabulary, std::vector<TokenId> prompt)
      : processor(made.clone()), trie(vocabulary), tokens(std::move(prompt)) {}

  Result<std::vector<float>> logits(std::vector<float> row) {
    WEFT_TRY_VOID(processor->begin(tokens, 1));
    WEFT_TRY_VOID(processor->apply({row, tokens, 0, 0}));
    WEFT_TRY_VOID(processor->commit(1));
    return row;
  }
  /// The texts that may come; the empty one is the answer's end.
  std::set<std::string> allowed() {
    const auto row = logits(std::vector<float>(trie.vocabulary()));
    REQUIRE(row);
    std::set<std::string> texts;
    for (std::size_t i = 0; i < row->size(); ++i) {
      if ((*row)[i] == 0) texts.emplace(trie.bytes(static_cast<TokenId>(i)));
    }
    return texts;
  }
  void add(TokenId id) {
    tokens.push_back(id);
    text += trie.bytes(id);
  }
};

using Texts = std::set<std::string>;

TEST_CASE("after the trigger only parts of names may come, after a name what ends it") {
  const auto trie = example();
  const auto names = names_after(".", trie);
  Answer answer(*names, *trie, {8});
  CHECK(answer.allowed().size() == 12);
  answer.add(9);
  CHECK(answer.allowed() == Texts{"with", "wit"});
  answer.add(1);
  CHECK(answer.allowed() == Texts{"h"});
  answer.add(2);
  CHECK(answer.allowed() == Texts{"Ip", "I", "Port", "Ip("});
  answer.add(3);
  CHECK(answer.allowed() == Texts{"(", ".", ""});
  answer.add(7);
  CHECK(answer.allowed().size() == 12);
}

/// Whether behind each "." stands one of the names, the last perhaps unfinished.
bool is_legal(std::string_view text) {
  for (std::size_t dot = text.find('.'); dot != std::string_view::npos;
       dot = text.find('.', dot + 1)) {
    const std::string_view rest = text.substr(dot + 1);
    const bool fits = std::ranges::any_of(kNames, [&](std::string_view name) {
      return name.starts_with(rest) ||
             (rest.starts_with(name) && (rest[name.size()] == '(' || rest[name.size()] == '.'));
    });
    if (!fits) return false;
  }
  return true;
}

TEST_CASE("a thousand answers of random logits have no illegal name") {
  const auto trie = example();
  const auto names = names_after(".", trie);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::size_t named = 0;
  for (std::size_t run = 0; run < 1000; ++run) {
    Answer answer(*names, *trie, {8});
    for (int step = 0; step < 12; ++step) {
      std::vector<float> row(trie->vocabulary());
      for (float& logit : row) logit = normal(random);
      const auto masked = answer.logits(row);
      REQUIRE(masked);
      const TokenId next = sample(*masked, {}, 0);
      if (next == kEnd) break;
      answer.add(next);
    }
    CAPTURE(answer.text);
    REQUIRE(is_legal(answer.text));
    named += answer.text.find(".with") != std::string::npos ? 1 : 0;
  }
  CHECK(named > 300);
}

TEST_CASE("a dead end is an error, never a token") {
  const auto trie = trie_of({"with", "wit", "Ip", "I", "p", "Port", "(", "x", ".", "Ip("});
  const auto names = names_after(".", trie);
  Answer answer(*names, *trie, {8});
  CHECK(answer.allowed() == Texts{"with", "wit"});
  answer.add(1);
  const auto stuck = answer.logits(std::vector<float>(trie->vocabulary()));
  REQUIRE_FALSE(stuck);
  CHECK(stuck.error().code == ErrorCode::kUnsupported);
}

TEST_CASE("tokens with the same text are all allowed, and none runs on beyond the trigger") {
  // "->x" has the trigger within it, "y->" at its end; after "-", ">x" has and ">" finishes one.
  const auto trie = trie_of({"withIp", "withIp", "x", "->", "->x", "y->", ">x", ">", "-", "Ip->x"});
  Answer answer(*names_after("->", trie), *trie, {2});
  CHECK(answer.allowed() == Texts{"withIp", "x", "->", "y->", ">x", ">", "-", ""});
  answer.add(8);
  CHECK(answer.allowed() == Texts{"withIp", "x", "->", "y->", ">", "-", ""});
  answer.add(7);
  const auto row = answer.logits(std::vector<float>(trie->vocabulary()));
  REQUIRE(row);
  CHECK((*row)[0] == 0);
  CHECK((*row)[1] == 0);
  CHECK(std::ranges::count(*row, 0.0F) == 2);
}

TEST_CASE("the names may depend on the text, and none sets it free") {
  const auto trie = example();
  std::string asked;
  const auto names = [&](std::string_view text) {
    asked = text;
    return text.starts_with("x") ? std::vector<std::string>() : kNames;
  };
  const auto monitor = name_monitor({"p.", names}, trie);
  REQUIRE(monitor);
  CHECK(Answer(*watch(*monitor, trie), *trie, {8, 5, 9}).allowed().size() == 12);
  CHECK(asked == "xp.");
  CHECK(Answer(*watch(*monitor, trie), *trie, {5, 9}).allowed() == Texts{"with", "wit"});
  CHECK_FALSE(name_monitor({"", names}, trie));
  CHECK_FALSE(name_monitor({"x", {}}, trie));
}

TEST_CASE("generate() follows a monitor, with drafts and without") {
  const auto model = tiny();
  const auto trie = *TokenTrie::of(model->tokenizer());
  const auto monitor = name_monitor({" ",
                                     [](std::string_view) {
                                       return std::vector<std::string>{"ab", "abc", "b-a"};
                                     }},
                                    trie);
  REQUIRE(monitor);
  const auto prompt = model->tokenizer().encode("abc ab b-a abc ab b-a abc ab ", false);
  const auto answer = [&](std::size_t drafts, std::uint64_t seed) {
    GenerateOptions options;
    options.sampling.temperature = 1;
    options.sampling.seed = seed;
    options.max_tokens = 40;
    options.draft_tokens_max = drafts;
    // Random weights would seldom write a space.
    options.logits = {LogitBias{{{' ', 4}}}, watch(*monitor, trie)};
    auto session = Session::open(model).value();
    return generate(session, prompt, options).value();
  };
  std::size_t drafted = 0;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    const auto made = answer(10, seed);
    drafted += made.usage.drafted_tokens;
    CHECK(made.ids == answer(0, seed).ids);
    std::string text(" ");
    text += model->tokenizer().decode(made.ids);
    CAPTURE(text);
    for (std::size_t i = text.find(' '); i != std::string::npos; i = text.find(' ', i + 1)) {
      const std::string_view rest = std::string_view(text).substr(i + 1);
      CHECK((rest.size() < 3 || rest.starts_with("ab") || rest.starts_with("b-a")));
    }
  }
  CHECK(drafted > 0);
}

}  // namespace
}  // namespace weft::inference::grammar
