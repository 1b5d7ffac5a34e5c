#include "inference/tokenizer_vocabulary.h"

#include <catch2/catch.hpp>
#include <functional>
#include <string>

#include "tests/inference/tiny_vocabulary.h"

namespace weft::inference {
namespace {

Error refusal(const std::function<void(TinyVocabulary&)>& change) {
  TinyVocabulary vocabulary;
  change(vocabulary);
  auto read = vocabulary.read();
  REQUIRE_FALSE(read);
  return read.error();
}

bool mentions(const Error& error, std::string_view text) {
  return error.message.find(text) != std::string::npos;
}

TEST_CASE("tokenizers that aren't read here are named") {
  const Error model = refusal([](TinyVocabulary& v) { v.model = "t5"; });
  CHECK(model.code == ErrorCode::kUnsupported);
  CHECK(mentions(model, "\"t5\""));
  const Error splitter = refusal([](TinyVocabulary& v) { v.splitter = "tekken"; });
  CHECK(splitter.code == ErrorCode::kUnsupported);
  CHECK(mentions(splitter, "\"tekken\""));
  const Error byte = refusal([](TinyVocabulary& v) { v.types[3] = 6; });
  CHECK(byte.code == ErrorCode::kUnsupported);
  CHECK(mentions(byte, "token 3"));
}

TEST_CASE("vocabularies that contradict themselves are refused with the place") {
  const auto corrupt = [](const std::function<void(TinyVocabulary&)>& change, const char* text) {
    const Error error = refusal(change);
    CHECK(error.code == ErrorCode::kCorrupt);
    INFO(error.message);
    CHECK(mentions(error, text));
  };
  corrupt([](TinyVocabulary& v) { v.eos = 267; }, "eos_token_id is 267, but there are 267 tokens");
  corrupt([](TinyVocabulary& v) { v.types.pop_back(); }, "266 entries for 267 tokens");
  corrupt([](TinyVocabulary& v) { v.types[5] = 0; }, "token 5 has the unknown type 0");
  corrupt([](TinyVocabulary& v) { v.types[5] = -1; }, "token 5 has the unknown type -1");
  corrupt([](TinyVocabulary& v) { v.add("ab", 1); }, "token 267 and token 256 are both \"ab\"");
  corrupt([](TinyVocabulary& v) { v.add("<think>", 3); }, "are both \"<think>\"");
  corrupt([](TinyVocabulary& v) { v.merges[1] = "ab"; }, "merge 1 (\"ab\") has no space");
  corrupt([](TinyVocabulary& v) { v.merges[1] = "a zz"; }, "refers to \"zz\"");
  corrupt([](TinyVocabulary& v) { v.merges[1] = "x y"; }, "refers to \"xy\"");
  corrupt([](TinyVocabulary& v) { v.merges.push_back("a b"); }, "is a duplicate of merge 1");
  corrupt(
      [](TinyVocabulary& v) {
        v.tokens.clear();
        v.types.clear();
      },
      "has 0 entries");
}

TEST_CASE("tokens known to end answers are control tokens whatever the file calls them") {
  TinyVocabulary vocabulary;
  vocabulary.add("</s>", 1);
  const Tokenizer tokenizer = vocabulary.read().value();
  CHECK(tokenizer.kind(267) == TokenKind::kControl);
  CHECK(tokenizer.is_end_of_generation(267));
}

TEST_CASE("empty tokens and absent ids are allowed") {
  TinyVocabulary vocabulary;
  vocabulary.add("", 5);
  vocabulary.add("", 3);
  vocabulary.bos = 0xFFFFFFFF;
  const Tokenizer tokenizer = vocabulary.read().value();
  CHECK(tokenizer.size() == 269);
  CHECK_FALSE(tokenizer.bos());
  CHECK_FALSE(tokenizer.adds_bos());
}

}  // namespace
}  // namespace weft::inference
