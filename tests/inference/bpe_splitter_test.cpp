#include "inference/bpe_splitter.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace weft::inference {
namespace {

using Pieces = std::vector<std::string>;

Pieces split(BpeSplitter splitter, std::string_view text) {
  Pieces pieces;
  while (!text.empty()) {
    const std::size_t size = first_piece(splitter, text);
    REQUIRE(size > 0);
    REQUIRE(size <= text.size());
    pieces.emplace_back(text.substr(0, size));
    text.remove_prefix(size);
  }
  return pieces;
}

Pieces smollm(std::string_view text) { return split(BpeSplitter::kSmollm, text); }
Pieces qwen2(std::string_view text) { return split(BpeSplitter::kQwen2, text); }
Pieces gpt2(std::string_view text) { return split(BpeSplitter::kGpt2, text); }
Pieces llama3(std::string_view text) { return split(BpeSplitter::kLlama3, text); }

TEST_CASE("smollm: an optional space goes with letters or symbols, every number is alone") {
  CHECK(smollm("Hello world!!") == Pieces{"Hello", " world", "!!"});
  CHECK(smollm("a 12b") == Pieces{"a", " ", "1", "2", "b"});
  CHECK(smollm(" !?x") == Pieces{" !?", "x"});
  CHECK(smollm("\u00BD\u0663") == Pieces{"\u00BD", "\u0663"});
  CHECK(smollm("\tx") == Pieces{"\t", "x"});
  CHECK(smollm("") == Pieces{});
}

TEST_CASE("smollm: contractions are lower case and come before symbols") {
  CHECK(smollm("it's we've I'LL") == Pieces{"it", "'s", " we", "'ve", " I", "'", "LL"});
  CHECK(smollm("''s") == Pieces{"''", "s"});
  CHECK(smollm("'r'l") == Pieces{"'", "r", "'", "l"});
}

TEST_CASE("smollm: white space keeps its last character for what follows, except for numbers") {
  CHECK(smollm("a   b") == Pieces{"a", "  ", " b"});
  CHECK(smollm("a\n\nb") == Pieces{"a", "\n", "\n", "b"});
  CHECK(smollm("a   1") == Pieces{"a", "   ", "1"});
  CHECK(smollm("a  \n") == Pieces{"a", "  \n"});
  CHECK(smollm("a\u3000\u3000b") == Pieces{"a", "\u3000", "\u3000", "b"});
}

TEST_CASE("qwen2: one character that is no letter or number may lead a word") {
  CHECK(qwen2("Hello world (foo)") == Pieces{"Hello", " world", " (", "foo", ")"});
  CHECK(qwen2("(foo\tbar\u3000baz") == Pieces{"(foo", "\tbar", "\u3000baz"});
  CHECK(qwen2("\nfoo") == Pieces{"\n", "foo"});
  CHECK(qwen2("a 12b") == Pieces{"a", " ", "1", "2", "b"});
}

TEST_CASE("qwen2: contractions in any case") {
  CHECK(qwen2("it's I'LL 'Re'") == Pieces{"it", "'s", " I", "'LL", " '", "Re", "'"});
  CHECK(qwen2("'sx") == Pieces{"'s", "x"});
}

TEST_CASE("qwen2: symbols take the newlines after them, white space ends at its last newline") {
  CHECK(qwen2("};\r\n\r\n  x") == Pieces{"};\r\n\r\n", " ", " x"});
  CHECK(qwen2("a \n \n  b") == Pieces{"a", " \n \n", " ", " b"});
  CHECK(qwen2("a   1") == Pieces{"a", "  ", " ", "1"});
  CHECK(qwen2("a   ") == Pieces{"a", "   "});
}

TEST_CASE("gpt-2: numbers go together and take a space before them, as words do") {
  CHECK(gpt2("a 12b 3") == Pieces{"a", " 12", "b", " 3"});
  CHECK(gpt2("\u00BD\u0663x") == Pieces{"\u00BD\u0663", "x"});
  CHECK(gpt2("it's 'LL") == Pieces{"it", "'s", " '", "LL"});
  CHECK(gpt2("a   1") == Pieces{"a", "  ", " 1"});
  CHECK(gpt2("a\n\n1 ") == Pieces{"a", "\n", "\n", "1", " "});
  CHECK(gpt2("(x) !") == Pieces{"(", "x", ")", " !"});
}

TEST_CASE("llama3: at most three numbers together, else as qwen2") {
  CHECK(llama3("1234567") == Pieces{"123", "456", "7"});
  CHECK(llama3("a 12b") == Pieces{"a", " ", "12", "b"});
  CHECK(llama3("\u0661\u0662\u0663\u0664") == Pieces{"\u0661\u0662\u0663", "\u0664"});
  CHECK(llama3("it'S (foo) };\n\n  x") ==
        Pieces{"it", "'S", " (", "foo", ")", " };\n\n", " ", " x"});
}

TEST_CASE("pieces equal those of the published expressions for 500 random texts") {
  std::ifstream stream(WEFT_SOURCE_DIR "/tests/golden/tokenize/splitters.json");
  const auto golden = nlohmann::json::parse(stream);
  REQUIRE(golden["rows"].size() == 500);
  for (const auto& row : golden["rows"]) {
    const auto text = row["text"].get<std::string>();
    for (const char* name : {"gpt-2", "smollm", "llama-bpe", "qwen2"}) {
      std::vector<std::size_t> sizes;
      for (const std::string& piece : split(bpe_splitter(name).value(), text)) {
        sizes.push_back(piece.size());
      }
      INFO(name << " " << row.dump());
      CHECK(sizes == row[name].get<std::vector<std::size_t>>());
    }
  }
}

TEST_CASE("broken UTF-8 counts as symbols") {
  CHECK(smollm("a\xFF\xE2\x82z") == Pieces{"a", "\xFF\xE2\x82", "z"});
  CHECK(qwen2("a\xFF\xE2\x82z") == Pieces{"a", "\xFF\xE2\x82", "z"});
  CHECK(qwen2("a\xFFz") == Pieces{"a", "\xFFz"});
}

TEST_CASE("the splitters are known by their names in GGUF files") {
  CHECK(bpe_splitter("smollm") == BpeSplitter::kSmollm);
  CHECK(bpe_splitter("qwen2") == BpeSplitter::kQwen2);
  CHECK(bpe_splitter("deepseek-r1-qwen") == BpeSplitter::kQwen2);
  CHECK(bpe_splitter("llama-bpe") == BpeSplitter::kLlama3);
  CHECK(bpe_splitter("gpt-2") == BpeSplitter::kGpt2);
  CHECK_FALSE(bpe_splitter("default"));
  CHECK(bpe_splitter_names().starts_with("gpt-2, smollm, llama-bpe,"));
  CHECK_FALSE(bpe_splitter(""));
}

}  // namespace
}  // namespace weft::inference
