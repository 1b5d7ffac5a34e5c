#include "inference/tokenizer.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "inference/gguf.h"
#include "tests/inference/tiny_vocabulary.h"

namespace weft::inference {
namespace {

using Ids = std::vector<TokenId>;

// With ChatML's control tokens, then all.
const std::string kChatMlModels[] = {"smollm2-135m", "qwen2.5-coder-0.5b"};
const std::string kModels[] = {"smollm2-135m", "qwen2.5-coder-0.5b", "gemma-3-270m"};

std::optional<Tokenizer> model_tokenizer(const std::string& name) {
  const char* folder = std::getenv("WEFT_TEST_MODELS");
  const auto path = std::filesystem::path(folder == nullptr ? "" : folder) / (name + ".gguf");
  if (folder == nullptr || !std::filesystem::exists(path)) {
    std::cout << "SKIPPED: WEFT_TEST_MODELS holds no " << name << ".gguf\n";
    return std::nullopt;
  }
  auto file = GgufFile::open(path);
  REQUIRE(file);
  auto tokenizer = Tokenizer::from_gguf(*file);
  if (!tokenizer) FAIL(tokenizer.error().message);
  return *std::move(tokenizer);
}

Tokenizer tiny() { return TinyVocabulary().read().value(); }

// Text of all kinds that tokenizers get wrong, from a seed.
std::string strange_text(std::mt19937& random) {
  static const std::string kParts[] = {"the quick",
                                       " Brown",
                                       "'s",
                                       "'RE",
                                       "'ll",
                                       "12",
                                       "\u0663",
                                       "\u00BD",
                                       "  ",
                                       "\t",
                                       "\r\n",
                                       "\n\n ",
                                       "\u3000",
                                       "\u00A0",
                                       "\u200D",
                                       "\U0001F469\u200D\U0001F4BB",
                                       "e\u0301",
                                       "\u6771\u4EAC",
                                       "\uFFFD",
                                       "<|im_end|>",
                                       "<|im_start|",
                                       "<|im_end|><|im_end|>",
                                       "<think>",
                                       "!?",
                                       "_",
                                       "\xFF",
                                       "\xE2\x82",
                                       "\xED\xA0\x80",
                                       std::string(1, '\0'),
                                       "}}",
                                       "\u0E01\u0E33"};
  std::string text;
  const std::size_t parts = random() % 12;
  for (std::size_t i = 0; i < parts; ++i) {
    switch (random() % 4) {
      case 0:
        append_utf8(text, random() % 0x110000);
        break;
      case 1:
        text += static_cast<char>(random() % 256);
        break;
      default:
        text += kParts[random() % std::size(kParts)];
    }
  }
  return text;
}

TEST_CASE("merges go by rank and then from the left") {
  const Tokenizer tokenizer = tiny();
  // "b c" has the lowest rank, so that "ab" can't form and "abc", made of "ab c", neither.
  CHECK(tokenizer.encode("abc", false) == Ids{'a', 257});
  CHECK(tokenizer.encode("ab", false) == Ids{256});
  CHECK(tokenizer.encode("aaa", false) == Ids{259, 'a'});
  CHECK(tokenizer.encode("aaaaaaa", false) == Ids{260, 259, 'a'});
  CHECK(tokenizer.encode("b aab", false) == Ids{'b', 261, 256});
  CHECK(tokenizer.encode("", true).empty());
}

TEST_CASE("special tokens are read where the caller says, user-defined ones always") {
  const Tokenizer tokenizer = tiny();
  CHECK(tokenizer.encode("a<|im_end|>b", true) == Ids{'a', 262, 'b'});
  CHECK(tokenizer.encode("<|im_end|><|x|>", true) == Ids{263});
  CHECK(tokenizer.encode("x<unk>", true) == Ids{'x', 265});
  CHECK(tokenizer.encode("x<think>", false) == Ids{'x', 264});
  CHECK(tokenizer.encode("[PAD]", true) == Ids{'[', 'P', 'A', 'D', ']'});
  const Ids plain = tokenizer.encode("a<|im_end|>b", false);
  CHECK(std::ranges::count(plain, 262) == 0);
  CHECK(plain.size() == 12);
}

TEST_CASE("control tokens need trust for every byte, wherever the spans are cut") {
  const Tokenizer tokenizer = tiny();
  const std::string text = "a<|im_end|>b";
  const Ids as_text = tokenizer.encode(text, false);
  const Ids as_token = tokenizer.encode(text, true);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::string head = text.substr(0, cut);
    const std::string tail = text.substr(cut);
    using Spans = std::vector<TextSpan>;
    CHECK(tokenizer.encode(Spans{{head, true}, {tail, true}}) == as_token);
    CHECK(tokenizer.encode(Spans{{head, false}, {tail, false}}) == as_text);
    // The token's bytes are [1, 11).
    CHECK(tokenizer.encode(Spans{{head, true}, {tail, false}}) == (cut >= 11 ? as_token : as_text));
    CHECK(tokenizer.encode(Spans{{head, false}, {tail, true}}) == (cut <= 1 ? as_token : as_text));
    CHECK(tokenizer.encode(Spans{{head, true}, {"", false}, {tail, true}}) == as_token);
  }
  for (std::size_t at = 1; at < 11; ++at) {  // one untrusted byte inside
    const std::vector<TextSpan> spans = {
        {text.substr(0, at), true}, {text.substr(at, 1), false}, {text.substr(at + 1), true}};
    CHECK(tokenizer.encode(spans) == as_text);
  }
}

TEST_CASE("a shorter control token is found where a longer one lacks trust") {
  const Tokenizer tokenizer = tiny();
  const std::vector<TextSpan> spans = {{"<|im_end|>", true}, {"<|x|>", false}};
  CHECK(tokenizer.encode(spans) == Ids{262, '<', '|', 'x', '|', '>'});
}

TEST_CASE("span borders don't change ids") {
  const Tokenizer tokenizer = tiny();
  std::mt19937 random(3);
  for (int round = 0; round < 3000; ++round) {
    const std::string text = strange_text(random);
    const std::size_t cut = random() % (text.size() + 1);
    const std::vector<TextSpan> spans = {{text.substr(0, cut), false}, {text.substr(cut), false}};
    REQUIRE(tokenizer.encode(spans) == tokenizer.encode(text, false));
  }
}

TEST_CASE("pieces hide control tokens unless asked") {
  const Tokenizer tokenizer = tiny();
  CHECK(tokenizer.piece(261) == " a");
  CHECK(tokenizer.piece(262).empty());
  CHECK(tokenizer.piece(262, true) == "<|im_end|>");
  CHECK(tokenizer.piece(264) == "<think>");
  CHECK(tokenizer.piece(-1).empty());
  CHECK(tokenizer.piece(267, true).empty());
  CHECK(tokenizer.decode(Ids{'x', 262, 258, -5, 9999}) == "xabc");
  CHECK(tokenizer.decode(Ids{'x', 262, 258}, true) == "x<|im_end|>abc");
  CHECK(tokenizer.find(" a") == 261);
  CHECK(tokenizer.find("<|im_end|>") == 262);
  CHECK_FALSE(tokenizer.find("nothing of the kind"));
  CHECK(tokenizer.kind(262) == TokenKind::kControl);
  CHECK(tokenizer.kind(-1) == TokenKind::kUnused);
  CHECK(tokenizer.eos() == 262);
  CHECK_FALSE(tokenizer.bos());
  CHECK(tokenizer.is_end_of_generation(262));
  CHECK_FALSE(tokenizer.is_end_of_generation('a'));
  CHECK(tokenizer.size() == 267);
  CHECK(tokenizer.splitter() == "qwen2");
}

TEST_CASE("decode(encode(x)) is x, for any bytes") {
  const Tokenizer tokenizer = tiny();
  std::mt19937 random(4);
  for (int round = 0; round < 5000; ++round) {
    const std::string text = strange_text(random);
    REQUIRE(tokenizer.decode(tokenizer.encode(text, true), true) == text);
    REQUIRE(tokenizer.decode(tokenizer.encode(text, false)) == text);
  }
}

TEST_CASE("long pieces merge as short ones do, in time that doesn't grow with the square") {
  const Tokenizer tokenizer = tiny();
  const auto start = std::chrono::steady_clock::now();
  CHECK(tokenizer.encode(std::string(400'003, 'a'), false).size() == 100'002);
  for (const char* unit : {"b", " ", "\n", "7", "\u6771", "!", "'", "<", "\xFF", "<|im_end|"}) {
    std::string text;
    while (text.size() < 100'000) text += unit;
    CHECK(tokenizer.decode(tokenizer.encode(text, true)) == text);
  }
  // A second is 100 times what this takes; a quadratic way would take minutes.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
  for (std::size_t n = 1; n < 200; ++n) {
    Ids expected(n / 4, 260);
    if (n % 4 >= 2) expected.push_back(259);
    if (n % 2 == 1) expected.push_back('a');
    CHECK(tokenizer.encode(std::string(n, 'a'), false) == expected);
  }
}

TEST_CASE("ids equal the reference's for every golden string", "[model]") {
  for (const std::string& name : kModels) {
    const auto tokenizer = model_tokenizer(name);
    if (!tokenizer) continue;
    std::ifstream stream(std::string(WEFT_SOURCE_DIR "/tests/golden/tokenize/") + name + ".json");
    const auto golden = nlohmann::json::parse(stream);
    REQUIRE(golden["tokenize"].size() == 2000);
    std::size_t wrong = 0;
    for (const auto& row : golden["tokenize"]) {
      const auto text = row["text"].get<std::string>();
      const Ids ids = tokenizer->encode(text, row["special"].get<bool>());
      if (ids == row["ids"].get<Ids>()) continue;
      if (++wrong <= 5) UNSCOPED_INFO(row.dump() << "\n" << nlohmann::json(ids).dump());
    }
    CHECK(wrong == 0);
  }
}

// SmolLM2's vocabulary lacks bytes that its training text lacked: they leave no token.
std::string representable(const Tokenizer& tokenizer, std::string text) {
  if (tokenizer.splitter() != "smollm") return text;
  std::erase_if(text, [&](char byte) { return !tokenizer.find({&byte, 1}); });
  return text;
}

TEST_CASE("real vocabularies give back what they read", "[model]") {
  for (const std::string& name : kModels) {
    const auto tokenizer = model_tokenizer(name);
    if (!tokenizer) continue;
    std::mt19937 random(5);
    for (int round = 0; round < 5000; ++round) {
      const std::string text = strange_text(random);
      const std::string expected = representable(*tokenizer, text);
      REQUIRE(tokenizer->decode(tokenizer->encode(text, true), true) == expected);
      REQUIRE(tokenizer->decode(tokenizer->encode(text, false), true) == expected);
    }
    for (const char* unit :
         {"a", " ", "\n", "7", "\u6771", "!", "\xFF", "\U0001F642", "> </", "ab "}) {
      std::string text;
      while (text.size() < 100'000) text += unit;
      CHECK(tokenizer->decode(tokenizer->encode(text, false)) == representable(*tokenizer, text));
    }
  }
}

TEST_CASE("an untrusted <|im_end|> never becomes the control token", "[model]") {
  for (const std::string& name : kChatMlModels) {
    const auto tokenizer = model_tokenizer(name);
    if (!tokenizer) continue;
    const auto end = tokenizer->find("<|im_end|>");
    REQUIRE(end);
    CHECK(tokenizer->is_end_of_generation(*end));
    const std::vector<TextSpan> spans = {
        {"<|im_start|>user\n", true}, {"hi<|im_end|>\n<|im_", false}, {"end|>\n", true}};
    const Ids ids = tokenizer->encode(spans);
    CHECK(std::ranges::count(ids, *end) == 0);
    CHECK(ids.front() == tokenizer->find("<|im_start|>"));
    CHECK(tokenizer->decode(ids, true) == "<|im_start|>user\nhi<|im_end|>\n<|im_end|>\n");
  }
}

}  // namespace
}  // namespace weft::inference
