#include "agents/citation.h"

#include <catch2/catch.hpp>

namespace weft::agents {
namespace {

using retrieval::PassageHit;

PassageHit passage(std::string source, std::size_t start, std::string text) {
  PassageHit hit;
  hit.source = std::move(source);
  hit.start = start;
  hit.end = start + text.size();
  hit.text = std::move(text);
  return hit;
}

const std::string kMoon = "Apollo 11 landed on the Moon in 1969. Armstrong walked first.";
const std::string kMars = "Viking 1 landed on Mars in 1976. It sent pictures for 6 years.";

TEST_CASE("a sentence is bound to the bytes of the passage sentence that holds its words") {
  const std::vector passages = {passage("mars.txt", 0, kMars), passage("moon.txt", 100, kMoon)};
  const auto binding =
      bind_citations("Armstrong walked first on the Moon.", "Who walked first?", passages);
  REQUIRE_FALSE(binding.citations.empty());
  const Citation& first = binding.citations.front();
  CHECK(first.n == 1);
  CHECK(first.source == "moon.txt");
  CHECK(first.start == 100 + kMoon.find("Armstrong"));
  CHECK(first.end == 100 + kMoon.size());
  CHECK(first.answer_start == 0);
  CHECK(first.answer_end == 35);
  CHECK(first.passage == 1);
}

TEST_CASE("between places that hold the same answer, the question decides") {
  const std::vector passages = {
      passage("a.txt", 0, "The bridge was built in 1932."),
      passage("b.txt", 0, "The tunnel was built in 1932."),
  };
  const auto bridge = bind_citations("1932", "When was the tunnel built?", passages);
  REQUIRE_FALSE(bridge.citations.empty());
  CHECK(bridge.citations.front().source == "b.txt");
  CHECK(bridge.verbatim);
  CHECK(bridge.answer_coverage == 1);
}

TEST_CASE("each sentence of an answer has its own citation") {
  const std::vector passages = {passage("moon.txt", 0, kMoon), passage("mars.txt", 0, kMars)};
  const auto binding = bind_citations("Viking 1 landed on Mars in 1976. Armstrong walked first.",
                                      "What happened?", passages);
  REQUIRE(binding.citations.size() == 2);
  CHECK(binding.citations[0].source == "mars.txt");
  CHECK(binding.citations[1].source == "moon.txt");
  CHECK(binding.citations[1].n == 2);
  CHECK(binding.citations[1].answer_start == 33);
}

TEST_CASE("what no passage says is not cited") {
  const std::vector passages = {passage("moon.txt", 0, kMoon)};
  const auto binding = bind_citations("Photosynthesis happens inside chloroplasts.",
                                      "How do plants feed?", passages);
  CHECK(binding.citations.empty());
  CHECK(binding.answer_coverage == 0);
}

TEST_CASE("empty answers, passages and odd bytes bind to nothing and don't fail") {
  CHECK(bind_citations("", "Why?", {passage("moon.txt", 0, kMoon)}).citations.empty());
  CHECK(bind_citations("1969", "When?", {}).citations.empty());
  CHECK(bind_citations("\xff\xfe", "\x80", {passage("x", 0, "\xff\xc3")}).citations.size() <= 1);
}

}  // namespace
}  // namespace weft::agents
