#include "inference/weights/importance_collector.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "inference/weights/importance.h"
#include "tests/fakes/reference_forward.h"
#include "tests/fakes/temp_dir.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

constexpr std::size_t kWindow = 24;

std::vector<TokenId> text() {
  std::vector<TokenId> ids;
  for (int i = 0; i < 2 * static_cast<int>(kWindow) + 5; ++i) ids.push_back((i * 31 + 7) % 250);
  return ids;
}

/// What the point of each layer sees of the windows' tokens but the last, squared and summed.
std::map<std::pair<std::size_t, TapPoint>, std::vector<double>> reference_sums(
    const GgufFile& file) {
  std::map<std::pair<std::size_t, TapPoint>, std::vector<double>> sums;
  fakes::ReferenceOptions options;
  options.tap = [&](std::size_t layer, TapPoint point, const auto& rows) {
    std::vector<double>& to = sums[{layer, point}];
    to.resize(rows.front().size());
    for (const auto& row : rows) {
      for (std::size_t i = 0; i < row.size(); ++i) to[i] += row[i] * row[i];
    }
  };
  const auto ids = text();
  for (const std::size_t first : {std::size_t{0}, kWindow}) {
    REQUIRE(fakes::reference_logits(file, std::span(ids).subspan(first, kWindow - 1), options));
  }
  return sums;
}

TEST_CASE("an importance matrix holds the mean squares that the reference computes") {
  const std::map<std::string, TapPoint> points = {
      {"attn_q", TapPoint::kAttentionNormOut}, {"attn_k", TapPoint::kAttentionNormOut},
      {"attn_v", TapPoint::kAttentionNormOut}, {"attn_output", TapPoint::kAttentionMix},
      {"ffn_gate", TapPoint::kFfnNormOut},     {"ffn_up", TapPoint::kFfnNormOut},
      {"ffn_down", TapPoint::kFfnActivation}};
  for (const char* architecture : {"llama", "gemma3"}) {
    // Heads that are wider than the model, as gemma's are.
    const TemporaryModel file({.architecture = architecture, .head_width = 32});
    const auto expected = reference_sums(GgufFile::open(file.path()).value());
    auto session = Session::open(file.load()).value();
    PerplexityOptions reading;
    reading.window = kWindow;
    const auto collected = collect_importance(session, text(), reading);
    REQUIRE(collected);
    CHECK(collected->tokens == 2 * (kWindow - 1));
    CHECK(collected->text.perplexity == perplexity(session, text(), reading)->perplexity);

    const test::TempDir dir;
    REQUIRE(write_importance(*collected, "text.txt", dir / "matrix.gguf"));
    CHECK(GgufFile::open(dir / "matrix.gguf")->unsigned_integer("imatrix.chunk_count").value() ==
          2);
    const auto matrix = ImportanceMatrix::open(dir / "matrix.gguf");
    REQUIRE(matrix);
    CHECK(matrix->size() == 2 * points.size());
    for (std::size_t layer = 0; layer < 2; ++layer) {
      for (const auto& [name, point] : points) {
        INFO(architecture << ", " << name << " of layer " << layer);
        const auto columns = matrix->of("blk." + std::to_string(layer) + "." + name + ".weight");
        const std::vector<double>& sums = expected.at({layer, point});
        REQUIRE(columns.size() == sums.size());
        double total = 0;
        double apart = 0;
        for (std::size_t i = 0; i < sums.size(); ++i) {
          const double mean = sums[i] / (2 * (kWindow - 1));
          total += mean;
          apart += std::abs(mean - static_cast<double>(columns[i]));
        }
        CHECK(apart < 5e-3 * total);
      }
    }
  }
}

TEST_CASE("what the session read before and after has no part in an importance matrix") {
  auto session = Session::open(tiny()).value();
  REQUIRE(session.append(std::vector<TokenId>{1, 2, 3}));
  PerplexityOptions reading;
  reading.window = kWindow;
  const auto first = collect_importance(session, text(), reading).value();
  REQUIRE(session.append(std::vector<TokenId>{1, 2, 3}));
  const auto second = collect_importance(session, text(), reading).value();
  REQUIRE(first.columns.size() == second.columns.size());
  for (std::size_t i = 0; i < first.columns.size(); ++i) {
    CHECK(first.columns[i].sums == second.columns[i].sums);
  }
  const auto scope = session.attach(std::make_shared<const Hooks>()).value();
  CHECK(collect_importance(session, text(), reading).error().code == ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weft::inference
