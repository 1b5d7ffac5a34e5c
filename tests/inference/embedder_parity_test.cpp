// The embedder on the real MiniLM, against tests/golden/engine/all-minilm-l6-v2.json.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "inference/embedder.h"

namespace weft::inference {
namespace {

struct Facts {
  std::vector<std::string> texts;
  std::vector<std::size_t> tokens;
  std::vector<std::vector<double>> embeddings;
};

Facts read_facts() {
  const auto path = std::string(WEFT_SOURCE_DIR) + "/tests/golden/engine/all-minilm-l6-v2.json";
  const auto json = nlohmann::json::parse(std::ifstream(path));
  Facts facts;
  for (const auto& row : json.at("rows")) {
    facts.texts.push_back(row.at("text"));
    facts.tokens.push_back(row.at("ids").size());
    facts.embeddings.push_back(row.at("embedding"));
  }
  return facts;
}

std::shared_ptr<const Embedder> load(EmbedderPrecision precision, cpu::Level level) {
  const char* folder = std::getenv("WEFT_TEST_MODELS");
  const auto path = std::filesystem::path(folder == nullptr ? "" : folder) / "all-minilm-l6-v2";
  if (folder == nullptr || !std::filesystem::exists(path)) {
    std::cout << "SKIPPED: WEFT_TEST_MODELS holds no all-minilm-l6-v2\n";
    return nullptr;
  }
  EmbedderOptions options;
  options.precision = precision;
  options.level = level;
  auto embedder = Embedder::open(path, options);
  if (!embedder) FAIL(embedder.error().message);
  CHECK((*embedder)->warnings().empty());
  return *embedder;
}

Embeddings embed(const Embedder& embedder, const std::vector<std::string>& texts,
                 std::size_t threads) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  cpu::ThreadPool pool(threads);
  auto made = embedder.embed(views, pool, {});
  if (!made) FAIL(made.error().message);
  return *std::move(made);
}

double cosine(std::span<const float> a, const std::vector<double>& b) {
  double dot = 0;
  double squares = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    squares += b[i] * b[i];
  }
  return dot / std::sqrt(squares);
}

void check_parity(EmbedderPrecision precision, double cosine_min) {
  const auto embedder = load(precision, cpu::best_level());
  if (!embedder) return;
  CHECK(embedder->pooling() == Pooling::kMean);
  CHECK(embedder->tokens_max() == 256);
  const Facts facts = read_facts();
  const Embeddings made = embed(*embedder, facts.texts, 2);
  REQUIRE(made.size() == facts.texts.size());
  REQUIRE(made.width == 384);
  CHECK(made.tokens == facts.tokens);
  double worst = 1;
  for (std::size_t i = 0; i < made.size(); ++i) {
    worst = std::min(worst, cosine(made.row(i), facts.embeddings[i]));
  }
  std::cout << to_string(precision) << ": worst cosine of " << made.size() << ": " << worst << "\n";
  CHECK(worst >= cosine_min);
}

TEST_CASE("MiniLM in f32 has the reference's embeddings", "[model]") {
  check_parity(EmbedderPrecision::kFloat32, 0.9999);
}

TEST_CASE("MiniLM in int8 stays near the reference's embeddings", "[model]") {
  check_parity(EmbedderPrecision::kInt8, 0.999);
}

TEST_CASE("MiniLM's embeddings have the same bits at both vector levels, on 1 and 2 threads",
          "[model]") {
  const auto level = cpu::choose_level("avx2");
  if (!level) return;
  const Facts facts = read_facts();
  for (const auto precision : {EmbedderPrecision::kInt8, EmbedderPrecision::kFloat32}) {
    const auto best = load(precision, cpu::best_level());
    const auto other = load(precision, *level);
    if (!best || !other) return;
    const Embeddings expected = embed(*best, facts.texts, 1);
    CHECK(embed(*best, facts.texts, 2).values == expected.values);
    CHECK(embed(*other, facts.texts, 2).values == expected.values);
  }
}

}  // namespace
}  // namespace weft::inference
