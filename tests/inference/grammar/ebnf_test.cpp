#include "inference/grammar/ebnf.h"

#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "inference/grammar/automaton.h"
#include "tests/fakes/naive_grammar.h"

namespace weft::inference::grammar {
namespace {

void check(std::string_view text, std::initializer_list<std::string_view> valid,
           std::initializer_list<std::string_view> invalid) {
  CAPTURE(text);
  const auto grammar = ebnf_grammar(text);
  if (!grammar) FAIL(grammar.error().message);
  REQUIRE(compile(*grammar));
  fakes::NaiveGrammar naive(*grammar);
  for (const auto each : valid) {
    CAPTURE(each);
    CHECK(naive.accepts(each));
  }
  for (const auto each : invalid) {
    CAPTURE(each);
    CHECK_FALSE(naive.accepts(each));
  }
}

TEST_CASE("rules end with their line, unless a group or an alternative is open") {
  check("root ::= a (\n  b\n  | \"!\")  # a comment\na ::= 'x' |\n  \"y\"\nb ::= [0-9]{2}",
        {"x12", "y!", "x!"}, {"x", "x1", "z!", "y12!"});
}

TEST_CASE("quantifiers, classes and escapes mean what they say") {
  check(R"(root ::= "a"? [^b\]]* #x41+ "\x42\u00e9\n" .{,2})",
        {"AB\xC3\xA9\n", "acAAB\xC3\xA9\n!\xE2\x82\xAC"},
        {"aB\xC3\xA9\n", "abAB\xC3\xA9\n", "A]AB\xC3\xA9\n", "AB\xC3\xA9\nxyz"});
  check("root ::= \"a\"{2,} \"b\"{1,2} \"c\"{3}", {"aabccc", "aaaabbccc"},
        {"abccc", "aabbbccc", "aabcc"});
}

TEST_CASE("a broken grammar is an error that names its line and what is wrong") {
  const auto names = [](std::string_view text, std::string_view line, std::string_view what) {
    CAPTURE(text);
    const auto grammar = ebnf_grammar(text, {.nesting = 3, .repeats = 10});
    REQUIRE_FALSE(grammar);
    CHECK(grammar.error().code == ErrorCode::kInvalidArgument);
    CAPTURE(grammar.error().message);
    CHECK(grammar.error().message.find("line " + std::string(line)) != std::string::npos);
    CHECK(grammar.error().message.find(what) != std::string::npos);
  };
  names("root = \"a\"", "1", "'::='");
  names("root ::= \"a\"\nroot ::= \"b\"", "2", "defined twice");
  names("a ::= \"b\"", "1", "no rule named root");
  names("root ::= missing", "1", "'missing' is used");
  names("root ::= \"a", "1", "quoted text");
  names("root ::= \"a\"\nb ::= [a", "2", "'['");
  names("root ::= (\"a\"", "1", "'('");
  names("root ::= [z-a]", "1", "out of order");
  names("root ::= \"a\"{3,2}", "1", "out of order");
  names("root ::= \"a\"{11}", "1", "too far");
  names("root ::= \"a\"{x}", "1", "number");
  names("root ::= \"\\q\"", "1", "escape");
  names("root ::= \"\\xG0\"", "1", "hexadecimal");
  names("root ::= ((((\"a\"))))", "1", "too deeply");
  names("root ::= \"\xFF\"", "1", "UTF-8");
}

TEST_CASE("rules that call themselves first, or never end, don't compile") {
  const auto refusal = [](std::string_view text) {
    CAPTURE(text);
    const auto grammar = ebnf_grammar(text);
    REQUIRE(grammar);
    const auto automaton = compile(*grammar, {.states = 50});
    REQUIRE_FALSE(automaton);
    return automaton.error();
  };
  CHECK(refusal("root ::= sum\nsum ::= sum \"+\" \"1\" | \"1\"").message.find("'sum'") !=
        std::string::npos);
  CHECK(refusal("root ::= a\na ::= \"x\" a").code == ErrorCode::kInvalidArgument);
  CHECK(refusal("root ::= \"" + std::string(60, 'a') + "\"").code == ErrorCode::kResourceExhausted);
}

}  // namespace
}  // namespace weft::inference::grammar
