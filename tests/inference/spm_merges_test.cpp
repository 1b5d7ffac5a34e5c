#include "inference/spm_merges.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"

namespace weft::inference {
namespace {

using Ids = std::vector<TokenId>;

// Tokens with scores, ids from 0; then a byte token for each byte.
struct Vocabulary {
  std::vector<std::string> texts;
  std::vector<float> scores;

  void add(std::string text, float score) {
    texts.push_back(std::move(text));
    scores.push_back(score);
  }
  TokenTable table() const {
    std::size_t bytes = 0;
    for (const std::string& text : texts) bytes += text.size();
    TokenTable made(texts.size(), bytes);
    for (const std::string& text : texts) REQUIRE(made.index(made.append(text)));
    return made;
  }
  SpmMerges merges() const {
    SpmMerges made(texts.size());
    for (std::size_t byte = 0; byte < 256; ++byte) {
      made.byte_tokens[byte] = static_cast<TokenId>(texts.size() + byte);
    }
    for (std::size_t i = 0; i < texts.size(); ++i) {
      REQUIRE(made.add(texts[i], {static_cast<TokenId>(i), scores[i]}));
    }
    return made;
  }
};

// The rule word for word: of all neighbours whose concatenation is a token, join the best, again
// and again over the whole text.
Ids encode_slowly(const Vocabulary& vocabulary, std::string_view text) {
  std::map<std::string, std::size_t, std::less<>> index;
  for (std::size_t i = 0; i < vocabulary.texts.size(); ++i) index.emplace(vocabulary.texts[i], i);
  std::vector<std::string> symbols;
  for (std::size_t at = 0; at < text.size(); at += symbols.back().size()) {
    symbols.emplace_back(text.substr(at, decode_utf8(text.substr(at)).size));
  }
  for (;;) {
    std::size_t best = symbols.size();
    float best_score = 0;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto found = index.find(symbols[i] + symbols[i + 1]);
      if (found == index.end()) continue;
      const float score = vocabulary.scores[found->second];
      if (best == symbols.size() || score > best_score) {
        best = i;
        best_score = score;
      }
    }
    if (best == symbols.size()) break;
    symbols[best] += symbols[best + 1];
    symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(best) + 1);
  }
  Ids ids;
  for (const std::string& symbol : symbols) {
    if (const auto found = index.find(symbol); found != index.end()) {
      ids.push_back(static_cast<TokenId>(found->second));
      continue;
    }
    for (const char byte : symbol) {
      ids.push_back(
          static_cast<TokenId>(vocabulary.texts.size() + static_cast<std::uint8_t>(byte)));
    }
  }
  return ids;
}

const std::vector<std::string> kCharacters = {"a",      "b",          "c",    " ",        "\u00E9",
                                              "\u6771", "\U0001F642", "\xFF", "\xE2\x82", "\x82"};

std::string random_text(std::mt19937& random, std::size_t characters) {
  std::string text;
  // Few of the characters in a text, so that tokens occur in it.
  const std::size_t few = random() % 3 + 2;
  const std::size_t first = random() % kCharacters.size();
  for (std::size_t i = 0; i < characters; ++i) {
    text += kCharacters[(first + random() % few) % kCharacters.size()];
  }
  return text;
}

Vocabulary random_vocabulary(std::mt19937& random) {
  Vocabulary vocabulary;
  std::map<std::string, bool> seen;
  for (std::size_t i = random() % 60; i > 0; --i) {
    const std::string text = random_text(random, random() % 5 + 1);
    // Few scores, so that ties come about.
    if (seen.emplace(text, true).second) vocabulary.add(text, -static_cast<float>(random() % 12));
  }
  return vocabulary;
}

TEST_CASE("SentencePiece merges equal those of the rule carried out word for word") {
  std::mt19937 random(31);
  for (int round = 0; round < 3000; ++round) {
    const Vocabulary vocabulary = random_vocabulary(random);
    const TokenTable table = vocabulary.table();
    const SpmMerges merges = vocabulary.merges();
    std::string text;  // some of it in long parts, some in short ones
    for (std::size_t i = random() % 4 + 1; i > 0; --i) text += random_text(random, random() % 80);
    SpmEncoder encoder(table, merges, text.size());
    encoder.append(text, {});
    REQUIRE(std::move(encoder).take() == encode_slowly(vocabulary, text));
  }
}

TEST_CASE("a text is cut only where no token has the two characters side by side") {
  CharacterPairs pairs;
  pairs.add("the");
  pairs.add(" a");
  CHECK(pairs.first_part("the end") == 3);
  CHECK(pairs.first_part(" a") == 2);
  CHECK(pairs.first_part("a ") == 1);
  CHECK(pairs.first_part("eh") == 1);
  pairs.add("e\u6771");
  CHECK(pairs.first_part("the\u6771x") == 6);
  CHECK(pairs.first_part("\u6771") == 3);
}

TEST_CASE("short tokens are told apart by their bytes and their size") {
  ShortTokens tokens(3);
  REQUIRE(tokens.add("a", 1));
  REQUIRE(tokens.add(std::string("a\0", 2), 2));
  REQUIRE(tokens.add("12345678", (1 << 24) - 1));
  CHECK(tokens.find("a") == 1);
  CHECK(tokens.find(std::string("a\0", 2)) == 2);
  CHECK(tokens.find("12345678") == (1 << 24) - 1);
  CHECK_FALSE(tokens.find("1234567"));
  CHECK_FALSE(tokens.find(std::string("a\0\0", 3)));
  CHECK_FALSE(tokens.find("b"));
}

TEST_CASE("U+2581 is read as a space, and a space may be set before") {
  Vocabulary vocabulary;
  vocabulary.add(" a", 0);
  vocabulary.add("a", -1);
  vocabulary.add(" ", -2);
  const TokenTable table = vocabulary.table();
  const SpmMerges merges = vocabulary.merges();
  SpmEncoder encoder(table, merges, 10);
  encoder.append("a\u2581a a", {});
  encoder.append(7);
  encoder.append("a", {.space_before = true});
  CHECK(std::move(encoder).take() == Ids{1, 0, 0, 7, 0});
}

TEST_CASE("a character that can't be written becomes the unknown token, or nothing") {
  Vocabulary vocabulary;
  vocabulary.add("a", 0);
  const TokenTable table = vocabulary.table();
  SpmMerges merges = vocabulary.merges();
  merges.byte_tokens['b'] = SpmMerges::kNone;
  const auto encode = [&] {
    SpmEncoder encoder(table, merges, 10);
    encoder.append("abca", {});
    return std::move(encoder).take();
  };
  CHECK(encode() == Ids{0, 1 + 'c', 0});
  merges.unknown = 300;
  CHECK(encode() == Ids{0, 300, 1 + 'c', 0});
}

TEST_CASE("SentencePiece takes time in proportion to the text, whatever it is") {
  Vocabulary vocabulary;
  for (std::size_t n = 1; n <= 16; n *= 2) {
    vocabulary.add(std::string(n, 'a'), -static_cast<float>(n));
  }
  const TokenTable table = vocabulary.table();
  const SpmMerges merges = vocabulary.merges();
  const std::string text(400'008, 'a');
  const auto start = std::chrono::steady_clock::now();
  SpmEncoder encoder(table, merges, text.size());
  encoder.append(text, {});
  const Ids ids = std::move(encoder).take();
  // A second is ten times what this takes; a quadratic way would take minutes.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
  CHECK(ids.size() == 400'008 / 16 + 1);
  CHECK(ids.back() == 3);
}

}  // namespace
}  // namespace weft::inference
