#include "inference/special_tokens.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

namespace weft::inference {
namespace {

using Fragments = std::vector<Fragment>;
constexpr TokenId kText = Fragment::kText;

Fragments split(const std::vector<SpecialToken>& tokens, std::string_view text) {
  const ByteRange all{0, text.size()};
  return SpecialTokens::build(tokens).value().split(text, std::span(&all, 1));
}

// The rule, word for word: one token after another, longest first, cuts the remaining text. Tokens
// of equal length would be cut in turn, so this twin is given lengths that all differ.
Fragments split_slowly(std::vector<SpecialToken> tokens, const std::string& text) {
  std::ranges::sort(tokens, std::greater(), [](const SpecialToken& t) { return t.text.size(); });
  Fragments fragments;
  if (!text.empty()) fragments.push_back({0, text.size(), kText});
  for (const SpecialToken& token : tokens) {
    Fragments next;
    for (Fragment rest : fragments) {
      while (rest.token == kText && rest.begin < rest.end) {
        const auto part = std::string_view(text).substr(rest.begin, rest.end - rest.begin);
        const std::size_t found = part.find(token.text);
        if (found == std::string_view::npos) break;
        const std::size_t at = rest.begin + found;
        if (found > 0) next.push_back({rest.begin, at, kText});
        next.push_back({at, at + token.text.size(), token.id});
        rest.begin = at + token.text.size();
      }
      if (rest.begin < rest.end) next.push_back(rest);
    }
    fragments = next;
  }
  return fragments;
}

TEST_CASE("text without special tokens is one fragment, and no text is none") {
  CHECK(split({}, "abc") == Fragments{{0, 3, kText}});
  CHECK(split({{"x", 1}}, "abc") == Fragments{{0, 3, kText}});
  CHECK(split({{"x", 1}}, "").empty());
}

TEST_CASE("the longest token wins even where a shorter one stands further left") {
  // At 0 "ab" would fit, but "bcd" is longer.
  CHECK(split({{"ab", 1}, {"bcd", 2}}, "abcdab") == Fragments{{0, 1, kText}, {1, 4, 2}, {4, 6, 1}});
  CHECK(split({{"aa", 1}}, "aaaaa") == Fragments{{0, 2, 1}, {2, 4, 1}, {4, 5, kText}});
  CHECK(split({{"ab", 1}, {"ba", 2}}, "ababa") == Fragments{{0, 2, 1}, {2, 4, 1}, {4, 5, kText}});
}

TEST_CASE("cuts equal those of the rule carried out word for word") {
  std::mt19937 random(8);
  for (int round = 0; round < 4000; ++round) {
    std::vector<std::string> texts;
    for (std::size_t length = 1; length <= 6; ++length) {
      if (random() % 2 == 0) continue;
      std::string& text = texts.emplace_back();
      for (std::size_t i = 0; i < length; ++i) text += static_cast<char>('a' + random() % 2);
    }
    std::vector<SpecialToken> tokens;
    for (const std::string& text : texts) {
      tokens.push_back({text, static_cast<TokenId>(tokens.size())});
    }
    std::string text;
    for (std::size_t i = random() % 30; i > 0; --i) text += static_cast<char>('a' + random() % 3);
    REQUIRE(split(tokens, text) == split_slowly(tokens, text));
  }
}

TEST_CASE("tokens that need trust are cut in trusted ranges alone") {
  const std::vector<SpecialToken> list = {{"<a>", 1}, {"<b>", 2, false}};
  const auto tokens = SpecialTokens::build(list).value();
  const std::string text = "<a><b><a>";
  CHECK(tokens.split(text, {}) == Fragments{{0, 3, kText}, {3, 6, 2}, {6, 9, kText}});
  const ByteRange ranges[] = {{0, 2}, {5, 9}};
  CHECK(tokens.split(text, ranges) == Fragments{{0, 3, kText}, {3, 6, 2}, {6, 9, 1}});
}

TEST_CASE("stripping tokens swallow the white space beside them, but no token") {
  const SpecialToken left{"<l>", 1, true, true, false};
  const SpecialToken right{"<r>", 2, true, false, true};
  CHECK(split({left, right}, "a \n<l> b <r>\t c") ==
        Fragments{{0, 1, kText}, {1, 6, 1}, {6, 9, kText}, {9, 14, 2}, {14, 15, kText}});
  CHECK(split({left, {"  <x>", 3}}, "  <x>  <l>") == Fragments{{0, 5, 3}, {5, 10, 1}});
}

TEST_CASE("empty, repeated and far too long texts are refused") {
  const auto refused = [](const std::vector<SpecialToken>& tokens) {
    const auto built = SpecialTokens::build(tokens);
    return !built && built.error().code == ErrorCode::kCorrupt;
  };
  CHECK(refused({{"", 1}}));
  CHECK(refused({{"a", 1}, {"a", 2}}));
  const std::string huge((4 << 20) + 1, 'a');
  CHECK(refused({{huge, 1}}));
}

TEST_CASE("hostile tokens and text take time in proportion") {
  std::vector<std::string> texts;
  for (std::size_t n = 1; n <= 200; ++n) texts.emplace_back(n, 'a');
  std::vector<SpecialToken> tokens;
  for (const std::string& text : texts) {
    tokens.push_back({text, static_cast<TokenId>(text.size())});
  }
  const std::string text(100'150, 'a');  // 500 of 200 and one of 150
  const Fragments cut = split(tokens, text);
  CHECK(cut.size() == 501);
  CHECK(cut.back() == Fragment{100'000, 100'150, 150});
}

}  // namespace
}  // namespace weft::inference
