#include "tests/eval/retrieval/evaluate.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <nlohmann/json.hpp>

namespace weft::eval {
namespace {

using nlohmann::json;

// Calls `take` with every line's object; what it throws names the line.
template <typename Take>
Result<void> for_each_line(const std::filesystem::path& file, Take take) {
  std::ifstream in(file);
  if (!in) return Error{ErrorCode::kNotFound, "cannot open " + file.string()};
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    try {
      take(json::parse(line));
    } catch (const json::exception& exception) {
      return Error{ErrorCode::kCorrupt,
                   file.string() + ":" + std::to_string(number) + ": " + exception.what()};
    }
  }
  return {};
}

std::string joined_sentences(const json& passage) {
  std::string text;
  for (const auto& sentence : passage.at("sentences")) {
    if (!text.empty()) text += ' ';
    text += sentence.get<std::string>();
  }
  return text;
}

}  // namespace

Result<std::vector<EvalPassage>> load_passages(const std::filesystem::path& file) {
  std::vector<EvalPassage> passages;
  WEFT_TRY_VOID(for_each_line(file, [&](const json& row) {
    passages.push_back(
        {row.at("id").get<std::string>(), row.at("title").get<std::string>(),
         row.contains("text") ? row.at("text").get<std::string>() : joined_sentences(row)});
  }));
  return passages;
}

Result<std::vector<EvalQuestion>> load_questions(const std::filesystem::path& file) {
  std::vector<EvalQuestion> questions;
  WEFT_TRY_VOID(for_each_line(file, [&](const json& row) {
    questions.push_back(
        {row.at("question").get<std::string>(), row.at("gold").get<std::vector<std::string>>()});
  }));
  return questions;
}

Scores score(const std::vector<EvalQuestion>& questions,
             const std::vector<std::vector<std::string>>& ranked) {
  Scores sum;
  sum.questions = questions.size();
  for (std::size_t q = 0; q < questions.size(); ++q) {
    const auto& gold = questions[q].gold;
    const auto found_in_first = [&](std::size_t k) {
      const auto end =
          ranked[q].begin() + static_cast<std::ptrdiff_t>(std::min(k, ranked[q].size()));
      return std::ranges::count_if(gold, [&](const std::string& id) {
        return std::find(ranked[q].begin(), end, id) != end;
      });
    };
    const auto needed = static_cast<double>(gold.size());
    for (std::size_t i = 0; i < kRecallCuts.size(); ++i) {
      sum.recall[i] += 100.0 * static_cast<double>(found_in_first(kRecallCuts[i])) / needed;
    }
    if (static_cast<double>(found_in_first(5)) == needed) sum.all_gold_at_5 += 100.0;
    if (static_cast<double>(found_in_first(10)) == needed) sum.all_gold_at_10 += 100.0;
    for (std::size_t rank = 1; rank <= std::min<std::size_t>(20, ranked[q].size()); ++rank) {
      if (std::ranges::count(gold, ranked[q][rank - 1]) == 0) continue;
      sum.mrr_at_20 += 1.0 / static_cast<double>(rank);
      break;
    }
  }
  const auto n = static_cast<double>(std::max<std::size_t>(1, questions.size()));
  for (double& recall : sum.recall) recall /= n;
  sum.all_gold_at_5 /= n;
  sum.all_gold_at_10 /= n;
  sum.mrr_at_20 /= n;
  return sum;
}

Result<void> fill(retrieval::CollectionStore& store, const std::string& name,
                  const std::vector<EvalPassage>& passages) {
  WEFT_TRY_VOID(store.create_collection(name));
  for (const auto& passage : passages) {
    retrieval::NewDocument document{.root = "/eval", .source = passage.id};
    document.extracted.text = passage.text;
    document.extracted.title = passage.title;
    document.passages.push_back({.end = passage.text.size(), .text = passage.text});
    WEFT_TRY_VOID(store.put_document(name, document));
  }
  return {};
}

Result<Evaluation> evaluate(retrieval::CollectionStore& store, const std::string& name,
                            const std::vector<EvalQuestion>& questions,
                            retrieval::StopWords stop_words) {
  Evaluation evaluation;
  std::vector<std::vector<std::string>> ranked;
  for (const auto& question : questions) {
    const auto start = std::chrono::steady_clock::now();
    WEFT_TRY(hits, store.search(name, question.question, kRecallCuts.back(),
                                {.stop_words = stop_words, .stop = {}}));
    const std::chrono::duration<double, std::milli> taken =
        std::chrono::steady_clock::now() - start;
    evaluation.milliseconds.push_back(taken.count());
    std::vector<std::string> ids;
    for (const auto& hit : hits) ids.push_back(hit.source);
    ranked.push_back(std::move(ids));
  }
  std::ranges::sort(evaluation.milliseconds);
  evaluation.scores = score(questions, ranked);
  WEFT_TRY(collections, store.collections());
  for (const auto& collection : collections) {
    if (collection.name != name) continue;
    evaluation.scores.passages = static_cast<std::size_t>(collection.passages);
  }
  return evaluation;
}

}  // namespace weft::eval
