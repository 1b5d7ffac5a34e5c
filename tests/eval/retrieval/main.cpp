// Prints the table of search quality for a folder of question sets, as Markdown:
//   weft_eval_retrieval DATA_DIR [NAME...]
// A set NAME is NAME_passages.jsonl and NAME_questions.jsonl; without names: the four of the
// reference table, and nq_oracle's questions asked of the four together.

#include <cstdio>
#include <string>
#include <vector>

#include "tests/eval/retrieval/evaluate.h"
#include "tests/fakes/temp_dir.h"

namespace {

using weft::Result;
using weft::retrieval::CollectionStore;
using weft::retrieval::StopWords;

struct Row {
  std::string label;
  std::vector<std::string> corpora;
  std::string questions;
};

Result<void> print_row(CollectionStore& store, const std::string& label, const std::string& name,
                       const std::vector<weft::eval::EvalQuestion>& questions, StopWords words) {
  WEFT_TRY(evaluation, weft::eval::evaluate(store, name, questions, words));
  const auto& [scores, times] = evaluation;
  std::printf("| %s | %s | %zu | %zu |", label.c_str(),
              words == StopWords::kKeep ? "kept" : "dropped", scores.passages, scores.questions);
  for (const double recall : scores.recall) std::printf(" %.2f |", recall);
  std::printf(" %.2f / %.2f | %.4f | %.2f / %.2f |\n", scores.all_gold_at_5, scores.all_gold_at_10,
              scores.mrr_at_20, times[times.size() / 2], times[times.size() * 95 / 100]);
  return {};
}

Result<void> run(const std::filesystem::path& data, const std::vector<Row>& rows) {
  const weft::test::TempDir folder;
  WEFT_TRY(store, CollectionStore::open(folder / "weft.db", CollectionStore::Mode::kWrite));
  std::printf(
      "| corpus | stop words | N | Q | R@1 | R@2 | R@5 | R@10 | R@20 | all gold in 5 / 10 | MRR@20 "
      "| ms p50 / p95 |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<weft::eval::EvalPassage> passages;
    for (const auto& corpus : rows[i].corpora) {
      WEFT_TRY(part, weft::eval::load_passages(data / (corpus + "_passages.jsonl")));
      for (auto& passage : part) passages.push_back(std::move(passage));
    }
    WEFT_TRY(questions,
             weft::eval::load_questions(data / (rows[i].questions + "_questions.jsonl")));
    const std::string name = "set" + std::to_string(i);
    WEFT_TRY_VOID(weft::eval::fill(store, name, passages));
    for (const auto words : {StopWords::kKeep, StopWords::kDropEnglish}) {
      WEFT_TRY_VOID(print_row(store, rows[i].label, name, questions, words));
    }
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: weft_eval_retrieval DATA_DIR [NAME...]\n");
    return 2;
  }
  std::vector<Row> rows;
  for (int i = 2; i < argc; ++i) rows.push_back({argv[i], {argv[i]}, argv[i]});
  if (rows.empty()) {
    const std::vector<std::string> four = {"nq_oracle", "hotpot100", "musique100", "xquad_en"};
    for (const auto& name : four) rows.push_back({name, {name}, name});
    rows.push_back({"nq_oracle in the union of the four", four, "nq_oracle"});
  }
  const auto done = run(argv[1], rows);
  if (done) return 0;
  std::fprintf(stderr, "weft_eval_retrieval: %s\n", done.error().message.c_str());
  return 1;
}
