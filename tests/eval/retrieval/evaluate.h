#pragma once
// How well search finds the passages that answer a question: recall and reciprocal rank over a set
// of questions with known gold passages.

#include <array>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "retrieval/collection_store.h"

namespace weft::eval {

struct EvalPassage {
  std::string id;
  std::string title;
  std::string text;
};

struct EvalQuestion {
  std::string question;
  std::vector<std::string> gold;  // ids of passages
};

/// JSON Lines with id, title, and text or sentences (joined by one space).
Result<std::vector<EvalPassage>> load_passages(const std::filesystem::path& file);
/// JSON Lines with question and gold.
Result<std::vector<EvalQuestion>> load_questions(const std::filesystem::path& file);

inline constexpr std::array<std::size_t, 5> kRecallCuts = {1, 2, 5, 10, 20};

/// Means over the questions. Recall and all_gold in percent; mrr in [0, 1], of the best gold
/// passage among the first 20.
struct Scores {
  std::size_t passages = 0;
  std::size_t questions = 0;
  std::array<double, kRecallCuts.size()> recall{};  // at kRecallCuts
  double all_gold_at_5 = 0;
  double all_gold_at_10 = 0;
  double mrr_at_20 = 0;
};

/// Scores of ranked ids, one list a question.
Scores score(const std::vector<EvalQuestion>& questions,
             const std::vector<std::vector<std::string>>& ranked);

/// Puts every passage in as a document of its own, in order, into collection `name`.
Result<void> fill(retrieval::CollectionStore& store, const std::string& name,
                  const std::vector<EvalPassage>& passages);

struct Evaluation {
  Scores scores;
  std::vector<double> milliseconds;  // of each search, sorted
};

/// Asks every question of collection `name`, which fill() made.
Result<Evaluation> evaluate(retrieval::CollectionStore& store, const std::string& name,
                            const std::vector<EvalQuestion>& questions,
                            retrieval::StopWords stop_words);

}  // namespace weft::eval
