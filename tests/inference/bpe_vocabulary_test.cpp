#include "inference/bpe_vocabulary.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/inference/tiny_vocabulary.h"

namespace weft::inference {
namespace {

TEST_CASE("bytes are written as printable characters") {
  for (unsigned byte = 0; byte < 256; ++byte) {
    CHECK(bytes_of_gpt2_text(gpt2_letter(byte)) == std::string(1, static_cast<char>(byte)));
  }
  CHECK(gpt2_letter(' ') == "\u0120");
  CHECK(gpt2_letter(0xAD) == "\u0143");  // the last of the 68
  CHECK(bytes_of_gpt2_text("\u0120a\u010A") == " a\n");
  CHECK(bytes_of_gpt2_text("") == "");
  CHECK_FALSE(bytes_of_gpt2_text("a b"));
  CHECK_FALSE(bytes_of_gpt2_text("\u0144"));
  CHECK_FALSE(bytes_of_gpt2_text("\u20AC"));
  CHECK_FALSE(bytes_of_gpt2_text("\xFF"));
  CHECK_FALSE(bytes_of_gpt2_text("a\xC4"));
}

TEST_CASE("a merge never makes a control token out of text") {
  TinyVocabulary vocabulary;
  vocabulary.add("xy", 3);
  vocabulary.merges.push_back("x y");
  const Tokenizer tokenizer = vocabulary.read().value();
  CHECK(tokenizer.encode("xy", false) == std::vector<TokenId>{'x', 'y'});
  CHECK(tokenizer.encode("xy", true) == std::vector<TokenId>{267});
}

TEST_CASE("Llama 3 takes a whole piece that is a token, whatever the merges say") {
  TinyVocabulary vocabulary;
  const std::string long_token(60, 'q');
  vocabulary.add("xyz", 1);       // 267: no merge gives it
  vocabulary.add("wv", 3);        // 268: a control token, never from text
  vocabulary.add(long_token, 1);  // 269: longer than what is merged on the stack
  const Tokenizer qwen2 = vocabulary.read().value();
  CHECK(qwen2.encode("xyz", false) == std::vector<TokenId>{'x', 'y', 'z'});
  CHECK_FALSE(qwen2.adds_bos());
  vocabulary.splitter = "llama-bpe";
  const Tokenizer llama3 = vocabulary.read().value();
  CHECK(llama3.encode("xyz", false) == std::vector<TokenId>{267});
  CHECK(llama3.encode("xyzz", false) == std::vector<TokenId>{'x', 'y', 'z', 'z'});
  CHECK(llama3.encode("ab", false) == std::vector<TokenId>{256});
  CHECK(llama3.encode("wv", false) == std::vector<TokenId>{'w', 'v'});
  CHECK(llama3.encode(long_token, false) == std::vector<TokenId>{269});
  CHECK(llama3.adds_bos());
}

}  // namespace
}  // namespace weft::inference
