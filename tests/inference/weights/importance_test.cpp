#include "inference/weights/importance.h"

#include <catch2/catch.hpp>
#include <limits>

#include "tests/fakes/gguf_writer.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

fakes::GgufWriter::Tensor floats(const std::string& name, const std::vector<float>& values,
                                 std::vector<std::uint64_t> dims) {
  fakes::Bytes data;
  for (const float value : values) fakes::append(data, value);
  return {name, std::move(dims), 0, std::move(data)};
}

struct Sums {
  std::vector<float> values;
  std::vector<float> counts;
};

Result<ImportanceMatrix> opened(const Sums& sums) {
  fakes::GgufWriter writer;
  writer.string("general.type", "imatrix");
  const std::uint64_t experts = std::max<std::size_t>(1, sums.counts.size());
  writer.tensor(
      floats("blk.0.attn_q.weight.in_sum2", sums.values, {sums.values.size() / experts, experts}));
  if (!sums.counts.empty()) {
    writer.tensor(floats("blk.0.attn_q.weight.counts", sums.counts, {1, experts}));
  }
  return ImportanceMatrix::open(TemporaryModel(writer.build().bytes).path());
}

TEST_CASE("importance is the mean square of each column's activations") {
  const auto matrix = opened({{2, 0, 6, 1}, {4}});
  REQUIRE(matrix);
  const auto columns = matrix->of("blk.0.attn_q.weight");
  CHECK(std::vector(columns.begin(), columns.end()) == std::vector{0.5F, 0.0F, 1.5F, 0.25F});
  CHECK(matrix->of("blk.1.attn_q.weight").empty());
  CHECK(matrix->size() == 1);
}

TEST_CASE("an importance matrix that can't be right is refused by name") {
  const auto message = [](const Sums& sums) { return opened(sums).error().message; };
  CHECK_THAT(message({{1, 2}, {}}), Catch::Contains("attn_q") && Catch::Contains("no count"));
  CHECK_THAT(message({{1, -2}, {4}}), Catch::Contains("attn_q") && Catch::Contains("negative"));
  CHECK_THAT(message({{1, std::numeric_limits<float>::infinity()}, {4}}),
             Catch::Contains("attn_q"));
  CHECK_THAT(message({{1, 2}, {-1}}), Catch::Contains("count"));
  CHECK_THAT(message({{1, 2}, {1, 1}}), Catch::Contains("experts"));
  CHECK_THAT(message({{1, 2}, {0}}), Catch::Contains("isn't an importance matrix"));
  const fakes::Bytes old(64);
  CHECK_THAT(ImportanceMatrix::open(TemporaryModel(old).path()).error().message,
             Catch::Contains("--output-format gguf"));
}

}  // namespace
}  // namespace weft::inference
