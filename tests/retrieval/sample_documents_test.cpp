// The quick start's documents and questions, in examples/.

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/child_process.h"
#include "inference/wordpiece.h"
#include "retrieval/reader.h"
#include "tests/retrieval/passages.h"

namespace weft::retrieval {
namespace {

constexpr std::string_view kFolder = WEFT_SOURCE_DIR "/examples/documents/";

Result<Extracted> read_sample(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return read_document(path, {std::istreambuf_iterator<char>(file), {}});
}

}  // namespace

TEST_CASE("the sample documents keep every promise, counted in WordPiece") {
  const auto tokenizer = inference::WordPiece::bert_base_uncased();
  const TokenCounter count = [&](std::string_view text) { return tokenizer.count(text); };
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kFolder)) {
    if (!entry.is_regular_file()) continue;
    CAPTURE(entry.path().string());
    const auto document = read_sample(entry.path().string());
    if (!document && document.error().code == ErrorCode::kNotFound) {
      WARN("SKIPPED: " + document.error().message);
      continue;
    }
    REQUIRE(document);
    ++files;
    for (const ChunkOptions& options :
         {ChunkOptions{}, ChunkOptions{.tokens_max = 32, .overlap = 0.5},
          ChunkOptions{.overlap = 0}}) {
      const auto passages = passages_of(*document, options, count);
      CHECK(passages.size() > document->text.size() / (options.tokens_max * 8));
      CHECK(passages.size() < document->text.size() / options.tokens_max + 100);
    }
  }
  CHECK(files >= 13);
}

TEST_CASE("each question of the quick start is answered by a passage of its source, or by none") {
  const auto tokenizer = inference::WordPiece::bert_base_uncased();
  const TokenCounter count = [&](std::string_view text) { return tokenizer.count(text); };
  std::ifstream file(WEFT_SOURCE_DIR "/examples/questions.jsonl");
  std::size_t answered = 0;
  std::size_t unanswerable = 0;
  for (std::string line; std::getline(file, line);) {
    const auto question = nlohmann::json::parse(line);
    CAPTURE(line);
    if (question.at("answers").empty()) {
      CHECK(question.at("source").is_null());
      ++unanswerable;
      continue;
    }
    const auto document =
        read_sample(std::string(kFolder) + question.at("source").get<std::string>());
    if (!document && !find_program("pdftotext")) {
      WARN("SKIPPED: " + document.error().message);
      continue;
    }
    REQUIRE(document);
    const auto passages = passages_of(*document, {}, count);
    ++answered;
    CHECK(std::ranges::any_of(passages, [&](const Passage& passage) {
      return std::ranges::any_of(question.at("answers"), [&](const auto& answer) {
        return passage.text.find(answer.template get<std::string>()) != std::string::npos;
      });
    }));
  }
  CHECK(answered >= 7);
  CHECK(unanswerable == 3);
}

}  // namespace weft::retrieval
