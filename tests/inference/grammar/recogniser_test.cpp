#include "inference/grammar/recogniser.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "inference/grammar/ebnf.h"
#include "inference/grammar/json_schema.h"
#include "inference/grammar/regex.h"
#include "tests/fakes/naive_grammar.h"
#include "tests/inference/tiny_vocabulary.h"

namespace weft::inference::grammar {
namespace {

constexpr std::size_t kVocabulary = 1000;

/// Bytes, pieces of JSON and of what the grammars below speak of, and characters of several bytes,
/// whole, cut and joined.
const Tokenizer& thousand_tokens() {
  static const Tokenizer tokenizer = [] {
    const std::vector<std::string> texts = {
        "{\"name\": \"a\\n\\u00e9\", \"n\":-12.5e3}, {\"id\":true,\"tags\":[]}]",
        "null, false\", \"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80 \\\"\\\\",
        "aabbab(1+2)*3-xyz\n2024-02-29", "\"}]}, [[[\"\"]]]\\ud83d\\ude00 foo bar"};
    TinyVocabulary vocabulary;
    std::set<std::string> seen(vocabulary.tokens.begin(), vocabulary.tokens.end());
    std::mt19937 random(7);
    while (vocabulary.tokens.size() < kVocabulary) {
      const std::string& text = texts[random() % texts.size()];
      std::string part = text.substr(random() % text.size(), 1 + random() % 6);
      if (random() % 2 == 0) part += text.substr(random() % text.size(), 1 + random() % 3);
      std::string token;
      for (const char byte : part) token += gpt2_letter(static_cast<unsigned char>(byte));
      if (seen.insert(token).second) vocabulary.add(token, 1);
    }
    auto read = vocabulary.read();
    REQUIRE(read);
    return *std::move(read);
  }();
  return tokenizer;
}

std::shared_ptr<const TokenTrie> trie() {
  static const std::shared_ptr<const TokenTrie> made = *TokenTrie::of(thousand_tokens());
  return made;
}

/// Follows random tokens that the mask allows and compares every mask with the slow twin.
void walk_and_compare(const Grammar& grammar, unsigned seed, std::size_t steps) {
  const auto automaton = compile(grammar);
  if (!automaton) FAIL(automaton.error().message);
  Recogniser recogniser(*automaton, trie());
  fakes::NaiveGrammar naive(grammar);
  std::mt19937 random(seed);
  std::string text;
  auto place = recogniser.start();
  for (std::size_t step = 0; step < steps && text.size() < 30; ++step) {
    const auto bits = recogniser.mask(place);
    std::vector<TokenId> allowed;
    std::vector<std::string> wrong;
    std::map<std::string, bool> begins;
    // No text begins well whose first part doesn't.
    const auto may_follow = [&](const std::string& piece) {
      for (std::size_t size = 1; size <= piece.size(); ++size) {
        const auto [known, is_new] = begins.try_emplace(piece.substr(0, size));
        if (is_new) known->second = naive.begins(text + piece.substr(0, size));
        if (!known->second) return false;
      }
      return !piece.empty();
    };
    for (std::size_t token = 0; token < kVocabulary; ++token) {
      const auto id = static_cast<TokenId>(token);
      const bool is_set = (bits[token / 64] >> (token % 64) & 1) != 0;
      const std::string piece(trie()->bytes(id));
      const bool expected =
          thousand_tokens().is_end_of_generation(id) ? naive.accepts(text) : may_follow(piece);
      if (is_set != expected) wrong.push_back(piece);
      if (is_set && !piece.empty()) allowed.push_back(id);
    }
    CAPTURE(text);
    REQUIRE(wrong == std::vector<std::string>());
    REQUIRE(recogniser.accepts(place) == naive.accepts(text));
    if (allowed.empty()) break;
    const TokenId next = allowed[random() % allowed.size()];
    text += trie()->bytes(next);
    place = recogniser.after(place, trie()->bytes(next));
  }
}

TEST_CASE("masks equal those of the slow twin on a vocabulary of 1,000 tokens") {
  const std::vector<std::string> expressions = {"a*b?(ab|ba){2,3}",
                                                "[a-z]{3,5}-[0-9]{2}",
                                                "(aa|a)*b",
                                                ".*foo.*",
                                                "\\d{4}(-\\d\\d)*",
                                                "[^a-z]+x",
                                                "(\xC3\xA9|\xE2\x82\xAC)+.",
                                                "a{0,3}a{2}",
                                                "([ab]{2},){2}end",
                                                "(a?){3}b",
                                                "(a|b|ab)*(foo)?"};
  for (const std::string& expression : expressions) {
    CAPTURE(expression);
    const auto grammar = regex_grammar(expression);
    REQUIRE(grammar);
    for (unsigned seed = 0; seed < 2; ++seed) walk_and_compare(*grammar, seed, 4);
  }
  const std::vector<std::string> texts = {
      "root ::= sum\nsum ::= term ([+-] term)*\nterm ::= [0-9]+ | \"(\" sum \")\"",
      "root ::= \"a\" root \"b\" | \"\"",
      "root ::= [ab]* tail\ntail ::= \"a\" \"b\"{1,3} | [x-z]+ tail?"};
  for (const std::string& text : texts) {
    CAPTURE(text);
    const auto grammar = ebnf_grammar(text);
    REQUIRE(grammar);
    for (unsigned seed = 0; seed < 2; ++seed) walk_and_compare(*grammar, seed, 4);
  }
  const std::vector<std::string> schemas = {
      "{}",
      R"({"type":"string","minLength":2,"maxLength":5})",
      R"({"type":"object","properties":{"name":{"type":"string"},"n":{"type":"number"},"id":{"type":"boolean"}},"required":["n"]})",
      R"({"type":"array","items":{"enum":["a","foo",null,1.5]},"minItems":1,"maxItems":3})",
      R"({"properties":{"na":{"type":"null"}},"additionalProperties":{"type":"integer"}})",
      R"({"type":"string","pattern":"^[a\"\n]{2,3}b$"})",
      R"({"type":"integer","minimum":-12,"maximum":305})",
      R"({"$ref":"#/$defs/t","$defs":{"t":{"type":"array","items":{"$ref":"#/$defs/t"}}}})"};
  for (const std::string& schema : schemas) {
    CAPTURE(schema);
    const auto grammar = read_json_schema(schema);
    REQUIRE(grammar);
    for (unsigned seed = 0; seed < 2; ++seed) walk_and_compare(*grammar, seed, 4);
  }
}

TEST_CASE("nesting ends at the limit of depth, and never where nothing can follow") {
  const auto grammar = ebnf_grammar(
      "root ::= \"(\" root \")\" | \"[\" one \"]\" | \"x\"\none ::= \"<\" two \">\"\ntwo ::= \"{\" "
      "\"y\" \"}\"");
  REQUIRE(grammar);
  const auto automaton = compile(*grammar, {.depth = 3});
  REQUIRE(automaton);
  Recogniser recogniser(*automaton, trie());
  const auto reads = [&](std::string_view text) {
    return recogniser.after(recogniser.start(), text) != Recogniser::kDead;
  };
  CHECK(reads("(((x"));
  CHECK_FALSE(reads("(((("));
  CHECK(reads("([<{y}>])"));
  // Two more rules would have to be called, and only one can be.
  CHECK_FALSE(reads("(([<"));
  CHECK_FALSE(reads("((["));
}

TEST_CASE("what is kept can be forgotten without losing the place") {
  const auto grammar = ebnf_grammar("root ::= (\"(\" root \")\" | [a-z]){0,20000}");
  REQUIRE(grammar);
  const auto automaton = compile(*grammar, {.states = 200'000});
  REQUIRE(automaton);
  Recogniser recogniser(*automaton, trie());
  auto place = recogniser.after(recogniser.start(), "((a");
  for (int i = 0; i < 18'000; ++i) place = recogniser.compact(recogniser.after(place, "b"));
  CHECK_FALSE(recogniser.overflowed());
  CHECK(recogniser.after(place, ")") != Recogniser::kDead);
  CHECK_FALSE(recogniser.accepts(recogniser.after(place, ")")));
  CHECK(recogniser.accepts(recogniser.after(place, "))")));
  CHECK(recogniser.after(place, ")))") == Recogniser::kDead);
}

TEST_CASE("text that has to come is found") {
  const auto grammar = read_json_schema(
      R"({"type":"object","properties":{"colour":{"enum":["red","green"]}},"required":["colour"]})");
  REQUIRE(grammar);
  Recogniser recogniser(*compile(*grammar), trie());
  CHECK(recogniser.forced(recogniser.start(), 100) == "{\"colour\":");
  CHECK(recogniser.forced(recogniser.start(), 4) == "{\"co");
  CHECK(recogniser.forced(recogniser.after(recogniser.start(), "{\"colour\":\"g"), 100) ==
        "reen\"}");
}

}  // namespace
}  // namespace weft::inference::grammar
