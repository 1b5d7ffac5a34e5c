#include "tests/eval/retrieval/evaluate.h"

#include <catch2/catch.hpp>

#include "tests/fakes/temp_dir.h"

namespace weft::eval {
namespace {

using retrieval::CollectionStore;
using retrieval::StopWords;

TEST_CASE("recall, all gold and reciprocal rank are what one works out by hand") {
  const std::vector<EvalQuestion> questions = {{"one", {"a", "b"}}, {"two", {"c"}}};
  // The first finds a at rank 2 and b at rank 6; the second finds nothing.
  const auto scores = score(questions, {{"x", "a", "x", "x", "x", "b"}, {"x"}});
  CHECK(scores.recall == std::array<double, 5>{0, 25, 25, 50, 50});
  CHECK(scores.all_gold_at_5 == 0);
  CHECK(scores.all_gold_at_10 == 50);
  CHECK(scores.mrr_at_20 == 0.25);
}

struct Expected {
  std::string set;
  std::array<double, 5> recall;
  double all_gold_at_5;
  double all_gold_at_10;
  double mrr;
};

void check_set(const Expected& expected, StopWords words) {
  const std::filesystem::path data = WEFT_SOURCE_DIR "/tests/eval/data";
  const auto passages = load_passages(data / (expected.set + "_passages.jsonl"));
  const auto questions = load_questions(data / (expected.set + "_questions.jsonl"));
  REQUIRE(passages);
  REQUIRE(questions);
  const test::TempDir folder;
  auto store = CollectionStore::open(folder / "weft.db", CollectionStore::Mode::kWrite);
  REQUIRE(store);
  REQUIRE(fill(*store, "set", *passages));
  const auto evaluation = evaluate(*store, "set", *questions, words);
  REQUIRE(evaluation);
  const Scores& scores = evaluation->scores;
  CHECK(scores.passages == passages->size());
  for (std::size_t i = 0; i < kRecallCuts.size(); ++i) {
    CHECK(scores.recall[i] == Approx(expected.recall[i]).margin(0.05));
  }
  CHECK(scores.all_gold_at_5 == Approx(expected.all_gold_at_5).margin(0.05));
  CHECK(scores.all_gold_at_10 == Approx(expected.all_gold_at_10).margin(0.05));
  CHECK(scores.mrr_at_20 == Approx(expected.mrr).margin(0.0005));
}

// Computed by a program of its own, with SQLite FTS5 3.40.1 and every word of the question.
TEST_CASE("search finds hotpot100's passages as plain FTS5 does") {
  check_set({"hotpot100", {41.00, 61.50, 79.00, 89.50, 95.50}, 58.00, 79.00, 0.8967},
            StopWords::kKeep);
}

TEST_CASE("search finds xquad_en's passages as plain FTS5 does") {
  check_set({"xquad_en", {93.95, 97.14, 98.82, 99.16, 99.50}, 98.82, 99.16, 0.9610},
            StopWords::kKeep);
}

TEST_CASE("without stop words search finds hotpot100's passages a little better") {
  check_set({"hotpot100", {42.50, 61.00, 80.50, 89.50, 96.00}, 61.00, 79.00, 0.9125},
            StopWords::kDropEnglish);
}

TEST_CASE("a broken line of a question set is named") {
  const auto missing = load_passages("no/such/file.jsonl");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
}

}  // namespace
}  // namespace weft::eval
