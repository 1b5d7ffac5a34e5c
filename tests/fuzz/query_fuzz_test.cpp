// Whatever a user types, FTS5 gets a query it can parse.

#include <catch2/catch.hpp>
#include <random>

#include "retrieval/collection_store.h"
#include "retrieval/query.h"
#include "tests/fakes/paragraphs.h"
#include "tests/fakes/temp_dir.h"
#include "tests/fuzz/rounds.h"

namespace weft::retrieval {
namespace {

// Bytes, and pieces that mean something to FTS5 or to UTF-8.
std::string random_query(std::mt19937& random) {
  static const std::vector<std::string> kPieces = {
      "\"", "*",  "^",    "AND ",     "OR",       "NOT",          "NEAR(", ")",
      "{",  "}:", "-",    "+",        "heading",  "\xe2\x80\x99", "\xc3",  std::string(1, '\0'),
      "'",  ";",  "word", "\xf0\x9f", "\xcc\x81", "日本",         "_",     ","};
  std::string query;
  const auto length = random() % 40;
  for (std::size_t i = 0; i < length; ++i) {
    if (random() % 2 == 0) {
      query += kPieces[random() % kPieces.size()];
    } else {
      query += static_cast<char>(random() % 256);
    }
  }
  return query;
}

TEST_CASE("arbitrary bytes are never wrong query syntax") {
  const test::TempDir folder;
  auto store = CollectionStore::open(folder / "weft.db", CollectionStore::Mode::kWrite);
  REQUIRE(store);
  REQUIRE(store->create_collection("c"));
  NewDocument document{.root = "/r", .source = "a.txt"};
  document.extracted = test::plain_text("A word of 日本.\n\nOr another word, near heading.");
  document.passages = test::paragraphs(document.extracted);
  REQUIRE(store->put_document("c", document));
  std::size_t found = 0;
  test::Rounds rounds("queries", {.inputs_min = 20'000, .timed = false});
  while (rounds.next()) {
    CAPTURE(rounds.seed());
    std::mt19937 random(static_cast<unsigned>(rounds.seed()));
    const std::string query = random_query(random);
    const auto words = random() % 2 == 0 ? StopWords::kKeep : StopWords::kDropEnglish;
    const auto hits = store->search("c", query, 5, {.stop_words = words, .stop = {}});
    if (!hits)
      FAIL(hits.error().message << " for " << Catch::StringMaker<std::string>::convert(query));
    found += hits->size();
  }
  CHECK(found > 1000);  // the queries weren't all nonsense
}

}  // namespace
}  // namespace weft::retrieval
