#include "inference/spm_vocabulary.h"

#include <catch2/catch.hpp>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "tests/inference/tiny_spm_vocabulary.h"

namespace weft::inference {
namespace {

using Ids = std::vector<TokenId>;

constexpr TokenId byte_id(unsigned byte) {
  return TinySpmVocabulary::kFirstByte + static_cast<TokenId>(byte);
}

Tokenizer without_space() {
  TinySpmVocabulary vocabulary;
  vocabulary.adds_space = false;
  return vocabulary.read().value();
}

TEST_CASE("the best pair is merged first, and characters without a token become bytes") {
  const Tokenizer tokenizer = without_space();
  // "he" beats "th", then "t he" is "the"; a space goes with the t after it.
  CHECK(tokenizer.encode("the the", false) == Ids{264, 262});
  CHECK(tokenizer.encode("the tab", false) == Ids{264, 260, byte_id('a'), byte_id('b')});
  CHECK(tokenizer.encode("eee", false) == Ids{268, 268, 268});
  CHECK(tokenizer.encode("\u00E9\u6771", false) == Ids{269});
  CHECK(tokenizer.encode("\u00E9", false) == Ids{byte_id(0xC3), byte_id(0xA9)});
  CHECK(tokenizer.encode("\xFFt", false) == Ids{byte_id(0xFF), 266});
  CHECK(tokenizer.encode("", true).empty());
}

TEST_CASE("a space stands before the text and after special tokens, unless the file says no") {
  const Tokenizer tokenizer = TinySpmVocabulary().read().value();
  CHECK(tokenizer.encode("the", false) == Ids{262});
  CHECK(tokenizer.encode("the<s>the", true) == Ids{262, 1, 262});
  CHECK(tokenizer.encode("<s>", true) == Ids{1});
  CHECK(tokenizer.encode("", true).empty());
  CHECK(tokenizer.decode(tokenizer.encode("the", false)) == " the");
  CHECK(without_space().encode("the<s>the", true) == Ids{264, 1, 264});
}

TEST_CASE("user-defined tokens are cut out first; text becomes no control and no byte token") {
  const Tokenizer tokenizer = without_space();
  CHECK(tokenizer.encode("t<table>t", false) == Ids{266, 3, 266});
  CHECK(tokenizer.encode("t   t", false) == Ids{266, 270, 260});
  CHECK(tokenizer.encode("</s>", true) == Ids{2});
  for (const char* text : {"</s>", "<s>", "<unk>", "<0x41>"}) {
    for (const TokenId id : tokenizer.encode(text, false)) {
      INFO(text << " " << id);
      CHECK((tokenizer.kind(id) == TokenKind::kByte || tokenizer.kind(id) == TokenKind::kNormal));
    }
    CHECK(tokenizer.decode(tokenizer.encode(text, false)) == text);
  }
  CHECK(tokenizer.encode("<0x41>", true).size() == 6);
}

TEST_CASE("pieces are the bytes that tokens stand for") {
  const Tokenizer tokenizer = without_space();
  CHECK(tokenizer.piece(262) == " the");
  CHECK(tokenizer.piece(byte_id('\n')) == "\n");
  CHECK(tokenizer.piece(byte_id(0xC3)) == "\xC3");
  CHECK(tokenizer.piece(1).empty());
  CHECK(tokenizer.piece(1, true) == "<s>");
  CHECK(tokenizer.find(" the") == 262);
  CHECK_FALSE(tokenizer.find("\n"));
  CHECK(tokenizer.bos() == 1);
  CHECK(tokenizer.adds_bos());
  CHECK(tokenizer.is_end_of_generation(2));
  CHECK(tokenizer.splitter() == "sentencepiece");
}

TEST_CASE("decode(encode(x)) is x for bytes without U+2581") {
  const Tokenizer tokenizer = without_space();
  std::mt19937 random(6);
  const std::string alphabet = "the <table></s>\n\xC3\xA9\xE6\x9D\xB1\xFF";
  for (int round = 0; round < 5000; ++round) {
    std::string text(random() % 60, '\0');
    for (char& byte : text) {
      byte = random() % 20 == 0 ? static_cast<char>(random() % 256)
                                : alphabet[random() % alphabet.size()];
    }
    if (text.find("\u2581") != std::string::npos) continue;
    REQUIRE(tokenizer.decode(tokenizer.encode(text, false)) == text);
    REQUIRE(tokenizer.decode(tokenizer.encode(text, true), true) == text);
  }
}

Error refusal(const std::function<void(TinySpmVocabulary&)>& change) {
  TinySpmVocabulary vocabulary;
  change(vocabulary);
  auto read = vocabulary.read();
  REQUIRE_FALSE(read);
  return read.error();
}

TEST_CASE("SentencePiece vocabularies that contradict themselves are refused with the place") {
  const auto refused = [](ErrorCode code, const char* text,
                          const std::function<void(TinySpmVocabulary&)>& change) {
    const Error error = refusal(change);
    INFO(error.message);
    CHECK(error.code == code);
    CHECK(error.message.find(text) != std::string::npos);
  };
  const auto corrupt = ErrorCode::kCorrupt;
  refused(corrupt, "271 entries for 272 tokens", [](auto& v) { v.scores.pop_back(); });
  refused(corrupt, "token 5 has a score",
          [](auto& v) { v.scores[5] = std::numeric_limits<float>::quiet_NaN(); });
  refused(corrupt, "token 5 has a score",
          [](auto& v) { v.scores[5] = -std::numeric_limits<float>::infinity(); });
  for (const char* text : {"<0x0>", "<0x-1>", "<0xGG>", "<0x001>", "0x00", "<0x+1>"}) {
    refused(corrupt, "doesn't read <0xNN>", [&](auto& v) { v.tokens[4] = text; });
  }
  refused(corrupt, "are both", [](auto& v) { v.tokens[4] = "<0x01>"; });
  refused(corrupt, "are both the byte 171", [](auto& v) { v.add("<0xab>", 6, 0); });
  refused(corrupt, "are both", [](auto& v) { v.add("the", 1, 0); });
  refused(corrupt, "unknown_token_id", [](auto& v) { v.unknown = 272; });
  refused(ErrorCode::kUnsupported, "neither a byte token", [](auto& v) {
    v.types[4] = 1;
    v.unknown = std::nullopt;
  });
}

}  // namespace
}  // namespace weft::inference
