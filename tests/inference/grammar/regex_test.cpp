#include "inference/grammar/regex.h"

#include <catch2/catch.hpp>
#include <string>
#include <string_view>

#include "tests/fakes/naive_grammar.h"

namespace weft::inference::grammar {
namespace {

void check(std::string_view expression, std::initializer_list<std::string_view> valid,
           std::initializer_list<std::string_view> invalid) {
  CAPTURE(expression);
  const auto grammar = regex_grammar(expression);
  if (!grammar) FAIL(grammar.error().message);
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

TEST_CASE("an expression matches the whole text") {
  check("ab|cd", {"ab", "cd"}, {"xab", "abx", "a", ""});
  check("^(a|b)*?c{2,3}$", {"cc", "abbaccc"}, {"c", "acccc", "accx"});
  check("[^\\d\\s]\\w\\.",
        {"a_.",
         "\xC3\xA9"
         "9."},
        {"1a.", "a-.", "ab!"});
  check("(?:x(?<n>y)?)+", {"x", "xyxxy"}, {"", "y"});
  check("\\u20ac\\x41[\\]\\-]",
        {"\xE2\x82\xAC"
         "A]",
         "\xE2\x82\xAC"
         "A-"},
        {"\xE2\x82\xAC"
         "A\\"});
}

TEST_CASE("what is broken or isn't read is an error that says where") {
  const auto refused = [](std::string_view expression, ErrorCode code, std::string_view place,
                          std::string_view what) {
    CAPTURE(expression);
    const auto grammar = regex_grammar(expression, {.nesting = 3, .repeats = 10});
    REQUIRE_FALSE(grammar);
    CHECK(grammar.error().code == code);
    CAPTURE(grammar.error().message);
    CHECK(grammar.error().message.find("at byte " + std::string(place)) != std::string::npos);
    CHECK(grammar.error().message.find(what) != std::string::npos);
  };
  const auto broken = ErrorCode::kInvalidArgument, unread = ErrorCode::kUnsupported;
  refused("a)", broken, "", "')'");
  refused("(a", broken, "2", "'('");
  refused("[a", broken, "2", "'['");
  refused("[z-a]", broken, "", "out of order");
  refused("a{3,2}", broken, "", "out of order");
  refused("a{11}", broken, "", "too far");
  refused("*a", broken, "", "nothing before it");
  refused("a**", broken, "", "behind another");
  refused("a\\", broken, "2", "'\\'");
  refused("\\ud800", broken, "", "surrogate");
  refused("((((a))))", broken, "", "too deeply");
  refused("a(?=b)", unread, "", "look-around");
  refused("(a)\\1", unread, "", "back reference");
  refused("\\bword", unread, "", "word boundary");
  refused("a^b", unread, "", "anchor");
}

}  // namespace
}  // namespace weft::inference::grammar
