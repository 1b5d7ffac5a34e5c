#include "retrieval/sentences.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "retrieval/encoding.h"

namespace weft::retrieval {
namespace {

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  for (const ByteSpan& span : sentences(text)) out.emplace_back(span.of(text));
  return out;
}

using Lines = std::vector<std::string>;

void check_cover(std::string_view text) {
  std::size_t at = 0;
  bool covered = true;
  for (const ByteSpan& span : sentences(text)) {
    REQUIRE(span.start < span.end);
    REQUIRE(span.start >= at);
    REQUIRE(span.end <= text.size());
    for (; at < span.start; ++at) covered = covered && is_space(text[at]);
    covered = covered && !is_space(text[span.start]) && !is_space(text[span.end - 1]);
    at = span.end;
  }
  for (; at < text.size(); ++at) covered = covered && is_space(text[at]);
  CHECK(covered);
}

}  // namespace

TEST_CASE("sentences end at full stops, exclamation and question marks") {
  CHECK(split("One. Two! Three? Four") == Lines{"One.", "Two!", "Three?", "Four"});
  CHECK(split("Really?! Yes... Well.") == Lines{"Really?!", "Yes...", "Well."});
  CHECK(split("").empty());
  CHECK(split(" \n\t ").empty());
}

TEST_CASE("abbreviations, initials, decimals and names don't end a sentence") {
  CHECK(split("Dr. Smith met Mr. J. R. Jones. They spoke.") ==
        Lines{"Dr. Smith met Mr. J. R. Jones.", "They spoke."});
  CHECK(split("It costs 3.14 dollars, e.g. at weft.dev. See Fig. 3 and No. 5.") ==
        Lines{"It costs 3.14 dollars, e.g. at weft.dev.", "See Fig. 3 and No. 5."});
  CHECK(split("In the U.S. Senate it passed. In the U.S. The House waited.") ==
        Lines{"In the U.S. Senate it passed.", "In the U.S.", "The House waited."});
  CHECK(split("It was 1999. The year ended at 5 p.m. She left.") ==
        Lines{"It was 1999.", "The year ended at 5 p.m.", "She left."});
  CHECK(split("Wait... what? No.") == Lines{"Wait... what?", "No."});
}

TEST_CASE("what closes a sentence belongs to it") {
  CHECK(split("\"Stop!\" he said. \"Go.\" She went.") ==
        Lines{"\"Stop!\" he said.", "\"Go.\"", "She went."});
  CHECK(split("It is so (see below). Next.") == Lines{"It is so (see below).", "Next."});
  CHECK(split("He said “no.” Then left.") == Lines{"He said “no.”", "Then left."});
}

TEST_CASE("citation marks stay with the sentence before them") {
  CHECK(split("It grew.[1] It shrank. [2, 3] It went [4]. End.") ==
        Lines{"It grew.[1]", "It shrank. [2, 3]", "It went [4].", "End."});
}

TEST_CASE("lines within a paragraph run on; empty lines, items and headings don't") {
  CHECK(split("One line\nand its end. New\n\nThird") ==
        Lines{"One line\nand its end.", "New", "Third"});
  CHECK(split("# Title\nText here\n- first\n- second\n1. third\n2) fourth") ==
        Lines{"# Title", "Text here", "- first", "- second", "1. third", "2) fourth"});
}

TEST_CASE("Chinese and Japanese full stops need no blank") {
  CHECK(split("今日は雨です。明日は晴れ！「本当？」はい。") ==
        Lines{"今日は雨です。", "明日は晴れ！", "「本当？」", "はい。"});
}

TEST_CASE("every byte that isn't white space is in one sentence, whatever the bytes") {
  std::mt19937 random(7);
  const std::string_view pool = ".!?\"')] \n\n[1]#-ab I\xE3\x80\x82\xFF.";
  for (int round = 0; round < 3000; ++round) {
    std::string text(random() % 60, ' ');
    for (char& c : text) c = pool[random() % pool.size()];
    CAPTURE(text);
    check_cover(text);
  }
}

TEST_CASE("a book is split into sentences of a sensible length") {
  std::ifstream file(WEFT_SOURCE_DIR
                     "/examples/documents/books/frankenstein-letters-and-chapters-1-5.txt");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  REQUIRE(text.size() > 90'000);
  check_cover(text);
  const auto spans = sentences(text);
  CHECK(text.size() / spans.size() > 80);
  CHECK(text.size() / spans.size() < 180);
}

}  // namespace weft::retrieval
