#include "inference/wordpiece.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace weft::inference {
namespace {

using Ids = std::vector<TokenId>;

constexpr std::size_t kGoldenTokensMax = 256;  // the MiniLM rows are cut there

// Lines 0..9.
WordPiece small() {
  return WordPiece::parse("[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\na\n##b\n!\nstra\xC3\x9F")
      .value();
}

nlohmann::json golden(const std::string& name) {
  std::ifstream stream(WEFT_SOURCE_DIR "/tests/golden/tokenize/" + name);
  return nlohmann::json::parse(stream)["tokenize"];
}

TEST_CASE("the longest piece from the left wins and a rest without a piece loses the word") {
  const WordPiece pieces = small();
  CHECK(pieces.encode("unaffable") == Ids{1, 3, 4, 5, 2});
  CHECK(pieces.encode("unaffable", {.add_special = false}) == Ids{3, 4, 5});
  CHECK(pieces.encode("UN\u00C5FFABLE! a", {.add_special = false}) == Ids{3, 4, 5, 8, 6});
  CHECK(pieces.encode("unaffablex a", {.add_special = false}) == Ids{0, 6});
  CHECK(pieces.encode("ab abb b", {.add_special = false}) == Ids{6, 7, 6, 7, 7, 0});
  CHECK(pieces.encode("stra\u00DF", {.add_special = false}) == Ids{9});
  CHECK(pieces.encode("") == Ids{1, 2});
  CHECK(pieces.count("unaffable! a") == 5);
  CHECK(pieces.piece(4) == "##aff");
  CHECK(pieces.piece(10).empty());
  CHECK(pieces.piece(-1).empty());
}

TEST_CASE("words of more than 100 characters are unknown") {
  const WordPiece pieces = small();
  std::string word = "a";
  word.append(99, 'b');
  CHECK(pieces.count(word) == 100);
  word.append(1, 'b');
  CHECK(pieces.encode(word, {.add_special = false}) == Ids{0});
  CHECK(pieces.encode(std::string(100'000, 'b') + " a", {.add_special = false}) == Ids{0, 6});
}

TEST_CASE("special texts in the input are text") {
  const WordPiece bert = WordPiece::bert_base_uncased();
  // [ sep ]
  CHECK(bert.encode("[SEP]", {.add_special = false}) == Ids{1031, 19802, 1033});
}

TEST_CASE("a vocabulary is refused with the line that is wrong") {
  const auto message = [](std::string_view text) { return WordPiece::parse(text).error().message; };
  CHECK(message("[UNK]\n[CLS]\n[SEP]\na\na\n") ==
        "line 5 of the WordPiece vocabulary repeats line 4");
  CHECK(message("[UNK]\n\n[CLS]\n") == "line 2 of the WordPiece vocabulary is empty");
  CHECK(message("[UNK]\n[CLS]\na\n") == "the WordPiece vocabulary has no [SEP] line");
  CHECK(message("") == "the WordPiece vocabulary has no [UNK] line");
  CHECK(WordPiece::parse("[UNK]\r\n[CLS]\r\n[SEP]\r\n").value().size() == 3);
}

TEST_CASE("the bundled vocabulary is bert-base-uncased") {
  const WordPiece bert = WordPiece::bert_base_uncased();
  CHECK(bert.size() == 30522);
  CHECK(bert.piece(100) == "[UNK]");
  CHECK(bert.piece(30521) == "##\uFF5E");
  CHECK(bert_base_uncased_vocabulary().size() == 231508);
}

TEST_CASE("ids equal the reference's for passages and for random Unicode") {
  const WordPiece bert = WordPiece::bert_base_uncased();
  for (const auto& row : golden("all-minilm-l6-v2.json")) {
    Ids ids = bert.encode(row["text"].get<std::string>());
    if (ids.size() > kGoldenTokensMax) {
      ids.resize(kGoldenTokensMax);
      ids.back() = 102;
    }
    CHECK(ids == row["ids"].get<Ids>());
  }
  const auto rows = golden("wordpiece.json");
  REQUIRE(rows.size() == 1500);
  for (const auto& row : rows) {
    const auto text = row["text"].get<std::string>();
    const Ids ids = bert.encode(text, {.add_special = false});
    if (ids != row["ids"].get<Ids>()) {
      UNSCOPED_INFO(row.dump());
      CHECK(ids == row["ids"].get<Ids>());
    }
    CHECK(bert.count(text) == ids.size());
  }
}

TEST_CASE("any bytes have ids of the vocabulary") {
  const WordPiece bert = WordPiece::bert_base_uncased();
  std::mt19937 random(6);
  for (int round = 0; round < 3000; ++round) {
    std::string text(random() % 60, '\0');
    for (char& byte : text) byte = static_cast<char>(random() % 256);
    for (const TokenId id : bert.encode(text)) CHECK_FALSE(bert.piece(id).empty());
  }
  CHECK(bert.count("a\xFF\xFE"
                   "b") == 1);  // broken bytes are dropped, as U+FFFD is
}

}  // namespace
}  // namespace weft::inference
