// Random bytes and random vocabularies: nothing crashes, nothing is lost, no id is invented.

#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "inference/tokenizer.h"
#include "inference/wordpiece.h"
#include "tests/fuzz/rounds.h"
#include "tests/inference/tiny_spm_vocabulary.h"
#include "tests/inference/tiny_vocabulary.h"

namespace weft::inference {
namespace {

std::string random_bytes(std::mt19937& random, std::size_t size_max) {
  // Few different bytes in most rounds, so that runs and repetitions come about.
  const std::string alphabet = "ab '<|im_end|>x \n1\xE2\x82\xAC\xFF";
  std::string text(random() % (size_max + 1), '\0');
  const bool any = random() % 3 == 0;
  for (char& byte : text) {
    byte = any ? static_cast<char>(random() % 256) : alphabet[random() % alphabet.size()];
  }
  return text;
}

const char* const kSplitters[] = {"smollm", "qwen2", "llama-bpe", "gpt-2", "deepseek-r1-qwen"};

// A vocabulary with things broken at random.
TinyVocabulary random_vocabulary(std::mt19937& random) {
  TinyVocabulary vocabulary;
  vocabulary.splitter = kSplitters[random() % std::size(kSplitters)];
  for (std::size_t changes = random() % 4; changes > 0; --changes) {
    switch (random() % 6) {
      case 0:
        vocabulary.add(random_bytes(random, 6), static_cast<std::int32_t>(random() % 8));
        break;
      case 1:
        vocabulary.merges.push_back(random_bytes(random, 4) + " " + random_bytes(random, 4));
        break;
      case 2:
        vocabulary.tokens[random() % vocabulary.tokens.size()] = random_bytes(random, 3);
        break;
      case 3:
        vocabulary.types[random() % vocabulary.types.size()] =
            static_cast<std::int32_t>(random() % 6 + 1);
        break;
      case 4:
        vocabulary.eos = static_cast<std::uint32_t>(random() % 300);
        break;
      default:
        vocabulary.merges.erase(vocabulary.merges.begin());
        if (vocabulary.merges.empty()) vocabulary.merges = {"a b"};
    }
  }
  return vocabulary;
}

TEST_CASE("random bytes survive a byte-level vocabulary, whatever is trusted") {
  std::vector<Tokenizer> tokenizers;
  for (const char* splitter : kSplitters) {
    TinyVocabulary vocabulary;
    vocabulary.splitter = splitter;
    tokenizers.push_back(vocabulary.read().value());
  }
  test::Rounds rounds("byte-level texts", {.inputs_min = 8000});
  while (rounds.next()) {
    CAPTURE(rounds.seed());
    std::mt19937 random(static_cast<unsigned>(rounds.seed()));
    const Tokenizer& tokenizer = tokenizers[rounds.seed() % tokenizers.size()];
    std::vector<TextSpan> spans(random() % 5);
    std::string text;
    bool trusted_any = false;
    for (TextSpan& span : spans) {
      span = {random_bytes(random, 80), random() % 2 == 0};
      text += span.text;
      trusted_any = trusted_any || span.trusted;
    }
    const std::vector<TokenId> ids = tokenizer.encode(spans);
    REQUIRE(tokenizer.decode(ids, true) == text);
    if (!trusted_any) REQUIRE(tokenizer.decode(ids) == text);
  }
}

TEST_CASE("random vocabularies are read or refused, and those read give ids of theirs") {
  std::size_t accepted = 0;
  test::Rounds rounds("byte-level vocabularies", {.inputs_min = 1500});
  while (rounds.next()) {
    CAPTURE(rounds.seed());
    std::mt19937 random(static_cast<unsigned>(rounds.seed()));
    const auto tokenizer = random_vocabulary(random).read();
    if (!tokenizer) {
      CHECK_FALSE(tokenizer.error().message.empty());
      continue;
    }
    ++accepted;
    for (int i = 0; i < 5; ++i) {
      const std::string text = random_bytes(random, 100);
      for (const TokenId id : tokenizer->encode(text, i % 2 == 0)) {
        REQUIRE(id >= 0);
        REQUIRE(static_cast<std::size_t>(id) < tokenizer->size());
        const TokenKind kind = tokenizer->kind(id);
        if (i % 2 == 1) REQUIRE((kind != TokenKind::kControl && kind != TokenKind::kUnknown));
      }
    }
  }
  CHECK(accepted > rounds.inputs() / 15);
  CHECK(accepted < rounds.inputs() / 15 * 14);
}

TinySpmVocabulary random_spm_vocabulary(std::mt19937& random) {
  TinySpmVocabulary vocabulary;
  vocabulary.adds_space = random() % 2 == 0;
  for (std::size_t changes = random() % 5; changes > 0; --changes) {
    const std::size_t at = random() % vocabulary.tokens.size();
    switch (random() % 6) {
      case 0:
        vocabulary.add(random_bytes(random, 6), static_cast<std::int32_t>(random() % 8),
                       -static_cast<float>(random() % 20));
        break;
      case 1:
        vocabulary.add(random_bytes(random, 3), 1, -static_cast<float>(random() % 20));
        break;
      case 2:
        vocabulary.tokens[at] = random_bytes(random, 3);
        break;
      case 3:
        vocabulary.types[at] = static_cast<std::int32_t>(random() % 6 + 1);
        break;
      case 4:
        vocabulary.scores[at] = static_cast<float>(random() % 20);
        break;
      default:
        vocabulary.unknown.reset();
    }
  }
  return vocabulary;
}

TEST_CASE("random SentencePiece vocabularies are read or refused, and text becomes no control") {
  std::mt19937 random(23);
  int accepted = 0;
  for (int round = 0; round < 1500; ++round) {
    const auto tokenizer = random_spm_vocabulary(random).read();
    if (!tokenizer) {
      CHECK_FALSE(tokenizer.error().message.empty());
      continue;
    }
    ++accepted;
    for (int i = 0; i < 5; ++i) {
      const std::string text = random_bytes(random, 100);
      for (const TokenId id : tokenizer->encode(text, i % 2 == 0)) {
        REQUIRE(id >= 0);
        REQUIRE(static_cast<std::size_t>(id) < tokenizer->size());
        if (i % 2 == 1) REQUIRE(tokenizer->kind(id) != TokenKind::kControl);
      }
    }
  }
  CHECK(accepted > 100);
  CHECK(accepted < 1400);
}

TEST_CASE("WordPiece takes random bytes and random vocabularies") {
  test::Rounds rounds("WordPiece", {.inputs_min = 3000});
  while (rounds.next()) {
    CAPTURE(rounds.seed());
    std::mt19937 random(static_cast<unsigned>(rounds.seed()));
    std::string lines = "[UNK]\n[CLS]\n[SEP]\n";
    for (std::size_t i = random() % 8; i > 0; --i) {
      lines += (random() % 2 == 0 ? "##" : "") + random_bytes(random, 5) + "\n";
    }
    const auto pieces = WordPiece::parse(lines);
    if (!pieces) continue;
    const std::string text = random_bytes(random, 200);
    const auto ids = pieces->encode(text);
    REQUIRE(ids.size() == pieces->count(text) + 2);
    REQUIRE(std::ranges::all_of(
        ids, [&](TokenId id) { return id >= 0 && static_cast<std::size_t>(id) < pieces->size(); }));
  }
}

}  // namespace
}  // namespace weft::inference
