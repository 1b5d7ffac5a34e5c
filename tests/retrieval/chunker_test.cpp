#include "retrieval/chunker.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <random>

#include "tests/retrieval/passages.h"

namespace weft::retrieval {
namespace {

Extracted markdown(std::string text, std::string title = "") {
  return {std::move(text), std::move(title), "markdown", true};
}

std::string words(std::size_t count, std::string_view word = "word") {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text.append(i == 0 ? "" : " ").append(word);
  return text;
}

std::string sentence(int number, std::size_t count) {
  std::string text = "S";
  text += std::to_string(number);
  return text + " " + words(count - 1) + ".";
}

}  // namespace

TEST_CASE("a short section is one passage, with its heading and the path to it") {
  const auto passages =
      passages_of(markdown("# Guide\n\nIntro.\n\n## Install\n\nRun it.\n", "Guide"));
  REQUIRE(passages.size() == 2);
  CHECK(passages[0].text == "# Guide\n\nIntro.");
  CHECK(passages[0].heading_path == "Guide");
  CHECK(passages[1].text == "## Install\n\nRun it.");
  CHECK(passages[1].heading_path == "Guide > Install");
  CHECK(passages[1].start == 17);
}

TEST_CASE("a heading path has the title first and follows the levels") {
  const auto passages = passages_of(markdown(
      "# A\n\na\n\n### B\n\nb\n\n## C\n\nc\n\nD\n=\n\nd\n\nE *e* [x](y)\n---\n\ne\n", "Title"));
  REQUIRE(passages.size() == 5);
  CHECK(passages[0].heading_path == "Title > A");
  CHECK(passages[1].heading_path == "Title > A > B");
  CHECK(passages[2].heading_path == "Title > A > C");
  CHECK(passages[3].heading_path == "Title > D");
  CHECK(passages[4].heading_path == "Title > D > E e x");
}

TEST_CASE("a heading without text goes with what follows") {
  const auto passages = passages_of(markdown("# A\n\n## B\n\nText.\n\n## C\n"));
  REQUIRE(passages.size() == 2);
  CHECK(passages[0].text == "# A\n\n## B\n\nText.");
  CHECK(passages[0].heading_path == "A > B");
  CHECK(passages[1].text == "## C");
}

TEST_CASE("link definitions under a heading are no text of its own") {
  const auto passages = passages_of(markdown("## A\n[a]: #a\n\n### B\n\nText.\n\n[x]: y\n"));
  REQUIRE(passages.size() == 1);
  CHECK(passages[0].heading_path == "A > B");
}

TEST_CASE("a long paragraph is cut between sentences, and passages overlap by some of them") {
  std::string text;
  for (int i = 0; i < 30; ++i) text += sentence(i, 10) + " ";
  const auto passages = passages_of({text, "", "text", true}, {.tokens_max = 100});
  REQUIRE(passages.size() >= 3);
  for (std::size_t i = 0; i < passages.size(); ++i) {
    CHECK(passages[i].text.front() == 'S');
    CHECK(passages[i].text.back() == '.');
    // 12 of 100 tokens have room for one sentence of 10.
    if (i > 0) CHECK(passages[i - 1].end - passages[i].start >= 45);
    if (i > 0) CHECK(passages[i - 1].end - passages[i].start <= 60);
  }
}

TEST_CASE("without overlap no byte is in two passages") {
  std::string text;
  for (int i = 0; i < 30; ++i) text += sentence(i, 10) + (i % 4 == 0 ? "\n\n" : " ");
  const auto passages = passages_of(markdown(text), {.tokens_max = 64, .overlap = 0});
  for (std::size_t i = 1; i < passages.size(); ++i) {
    CHECK(passages[i - 1].end <= passages[i].start);
  }
}

TEST_CASE("code, lists and tables that fit aren't cut") {
  const std::string code = "```\n# no heading\n" + words(30) + "\n\n" + words(30) + "\n```";
  const std::string table = "| a | b |\n|---|---|\n| " + words(50) + " | x |";
  const std::string list = "- " + words(30) + "\n- " + words(30) + "\n\n  more\n- end";
  const std::string text =
      words(50) + "\n\n" + code + "\n\n" + words(20) + "\n\n" + table + "\n\n" + list + "\n";
  const auto passages = passages_of(markdown(text), {.tokens_max = 100});
  for (const std::string& block : {code, table, list}) {
    CHECK(std::ranges::any_of(passages, [&](const Passage& passage) {
      return passage.text.find(block) != std::string::npos;
    }));
  }
}

TEST_CASE("a list that doesn't fit is cut between its items") {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "- " + words(5) + "\n  " + words(5, "more") + "\n";
  for (const Passage& passage : passages_of(markdown(text), {.tokens_max = 64})) {
    CHECK(passage.text.starts_with("- "));
  }
}

TEST_CASE("a section's passages are about equally full") {
  std::string text;
  for (int i = 0; i < 22; ++i) text += sentence(i, 10) + " ";  // 220 of at most 200 tokens
  const auto passages = passages_of({text, "", "text", true}, {.tokens_max = 200});
  REQUIRE(passages.size() == 2);
  CHECK(blank_separated(passages[1].text) > 60);
}

TEST_CASE("text without blanks or full stops is cut between characters") {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "語";
  const auto passages = passages_of({text, "", "text", true}, {.tokens_max = 64});
  CHECK(passages.size() >= 20'000 * 3 / (64 * 16));
}

TEST_CASE("a huge heading leaves room for text") {
  const auto passages = passages_of(
      markdown("# " + words(500) + "\n\n## " + words(100) + "\n\nText."), {.tokens_max = 64});
  CHECK(passages.back().text.ends_with("Text."));
}

TEST_CASE("front matter is covered but no heading") {
  const auto passages = passages_of(markdown("---\ntitle: x\n# comment\n---\n\n# A\n\nText.\n"));
  REQUIRE(passages.size() == 2);
  CHECK(passages[0].heading_path.empty());
  CHECK(passages[1].heading_path == "A");
}

TEST_CASE("an empty or blank document has no passages") {
  CHECK(passages_of(markdown("")).empty());
  CHECK(passages_of(markdown(" \n\n\t\n")).empty());
  CHECK(passages_of({"\xEF\xBB\xBF\n", "", "text", true}).empty());
}

TEST_CASE("options out of range are refused") {
  const TokenCounter count = blank_separated;
  for (const ChunkOptions& options :
       {ChunkOptions{.tokens_max = 31}, ChunkOptions{.overlap = 0.6}, ChunkOptions{.overlap = NAN},
        ChunkOptions{.bytes_per_token_max = 1}}) {
    CHECK(chunk(markdown("x"), count, options).error().code == ErrorCode::kInvalidArgument);
  }
  CHECK(chunk(markdown("x"), {}).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("random structure keeps every promise, whatever the counter says") {
  const std::vector<std::string> pool = {"# H\n",
                                         "## Heading two\n",
                                         "\n",
                                         "\n\n",
                                         "word ",
                                         "A sentence. ",
                                         "- item\n",
                                         "1. x\n",
                                         "```\n",
                                         "| a | b |\n",
                                         "|--|--|\n",
                                         "---\n",
                                         "===\n",
                                         "語。",
                                         "é",
                                         "\xF0\x9F\x98\x80",
                                         "  ",
                                         "\t",
                                         "\r\n",
                                         words(40),
                                         std::string(300, 'x'),
                                         "\xEF\xBB\xBF",
                                         "~~~\n",
                                         "    code\n"};
  const TokenCounter bytes = [](std::string_view text) { return text.size(); };
  const TokenCounter nothing = [](std::string_view) { return std::size_t{0}; };
  const TokenCounter uneven = [](std::string_view text) {
    return text.size() / 3 + text.size() % 5;
  };
  std::mt19937 random(11);
  for (int round = 0; round < 1500; ++round) {
    std::string text;
    for (std::size_t i = random() % 80; i > 0; --i) text += pool[random() % pool.size()];
    CAPTURE(text);
    const Extracted document{text, round % 3 == 0 ? "Title" : "",
                             round % 2 == 0 ? "markdown" : "text", true};
    const ChunkOptions options{.tokens_max = 32 + random() % 100, .overlap = (round % 6) * 0.1};
    passages_of(document, options, bytes);
    passages_of(document, options, nothing);
    passages_of(document, options, uneven);
    passages_of(document, options, blank_separated);
  }
}

TEST_CASE("hostile documents of megabytes take seconds, not hours") {
  const auto begin = std::chrono::steady_clock::now();
  std::string headings;
  for (int i = 0; i < 100'000; ++i) headings += std::string(i % 6 + 1, '#') + " h\n";
  passages_of(markdown(headings));
  for (std::string& each : std::vector<std::string>{
           std::string(5'000'000, 'x'), words(1'000'000, "a"), std::string(3'000'000, '\n') + "x",
           std::string(3'000'000, '.'), std::string(2'000'000, '#'), std::string(2'000'000, '|'),
           words(500'000, "["), words(500'000, "a.\n"), "```\n" + words(500'000, "a\n"),
           words(500'000, "- a\n\n"), std::string(2'000'000, '\x80')}) {
    passages_of(markdown(std::move(each)), {}, blank_separated, false);
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
}

}  // namespace weft::retrieval
