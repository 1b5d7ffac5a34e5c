#include "inference/weights/write_model.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>

#include "inference/generate.h"
#include "inference/weights/divergence.h"
#include "inference/weights/type_plan.h"
#include "tests/fakes/temp_dir.h"
#include "tests/inference/temporary_model.h"
#include "tests/inference/weights/memory_tensors.h"

namespace weft::inference {
namespace {

namespace fs = std::filesystem;

Result<WrittenModel> quantized(const fs::path& from, const fs::path& to, std::string_view type,
                               WriteModelOptions options = {}) {
  WEFT_TRY(file, GgufFile::open(from));
  WEFT_TRY(quantization, quantization_named(type));
  WEFT_TRY(types, plan_types(file.tensors(), {.quantization = quantization}));
  options.types = std::move(types);
  return write_model(GgufTensors(file), GgufMetadata::copy_of(file), to, options);
}

std::vector<char> bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<TokenId> text() {
  std::vector<TokenId> ids;
  for (int i = 0; i < 130; ++i) ids.push_back((i * 31 + 7) % 269);
  return ids;
}

TEST_CASE("fewer bits are further from the original, and every result runs") {
  const test::TempDir dir;
  const TemporaryModel original({.width = 256, .ffn_width = 256});
  PerplexityOptions scoring;
  scoring.window = 64;
  auto meter = DivergenceMeter::open(dir.path(), text(), scoring);
  REQUIRE(meter);
  auto session = Session::open(original.load()).value();
  CHECK(meter->changed(session).error().code == ErrorCode::kInvalidArgument);
  REQUIRE(meter->original(session));
  const auto itself = meter->changed(session);
  REQUIRE(itself);
  CHECK(itself->mean_kl == 0);
  CHECK(itself->same_top_token == 1);
  CHECK(itself->perplexity_changed == itself->perplexity_original);
  CHECK(itself->tokens == 2 * 31);
  double last = 0;
  std::uint64_t last_size = fs::file_size(original.path());
  for (const char* type : {"f16", "q8_0", "q6_k", "q5_k", "q4_k"}) {
    CAPTURE(type);
    const auto path = dir / (std::string(type) + ".gguf");
    const auto written = quantized(original.path(), path, type);
    REQUIRE(written);
    CHECK(written->size_bytes < last_size);
    last_size = written->size_bytes;
    auto model = Model::load(path, *cpu_backend());
    REQUIRE(model);
    auto changed = Session::open(*model).value();
    const auto found = meter->changed(changed);
    REQUIRE(found);
    CHECK(found->mean_kl > last);
    last = found->mean_kl;
  }
  CHECK(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()) == 5);
}

TEST_CASE("the result has the same bytes for any number of threads") {
  const test::TempDir dir;
  const TemporaryModel original({.width = 256, .ffn_width = 256});
  REQUIRE(quantized(original.path(), dir / "one.gguf", "q4_k_m"));
  REQUIRE(quantized(original.path(), dir / "three.gguf", "q4_k_m", {.threads = 3}));
  CHECK(bytes_of(dir / "one.gguf") == bytes_of(dir / "three.gguf"));
}

TEST_CASE("blocks are rounded again only where it was asked for") {
  const test::TempDir dir;
  const TemporaryModel original({.type = TensorType::kQ8_0});
  const auto refused = quantized(original.path(), dir / "x.gguf", "q4_0");
  CHECK(refused.error().code == ErrorCode::kPermissionDenied);
  CHECK_THAT(refused.error().message, Catch::Contains("--allow-requantize"));
  CHECK(fs::is_empty(dir.path()));
  CHECK(quantized(original.path(), dir / "x.gguf", "q4_0", {.allow_requantize = true}));
  CHECK(quantized(original.path(), dir / "f16.gguf", "f16"));
  const auto same = quantized(original.path(), dir / "q8_0.gguf", "q8_0");
  REQUIRE(same);
  CHECK(same->copied == GgufFile::open(original.path())->tensors().size());
}

TEST_CASE("a value that isn't a number is refused with tensor and row, and nothing is left") {
  const test::TempDir dir;
  MemoryTensors tensors;
  std::vector<float> values(64 * 10, 1);
  values[64 * 7 + 5] = std::numeric_limits<float>::quiet_NaN();
  tensors.add("bad.weight", {64, 10}, std::move(values));
  const auto refused =
      write_model(tensors, {}, dir / "x.gguf", {.types = {TensorType::kQ4_0}, .threads = 2});
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("'bad.weight', row 7: value 5"));
  CHECK(fs::is_empty(dir.path()));
}

TEST_CASE("no more than a few MiB of a tensor are read at a time") {
  const test::TempDir dir;
  MemoryTensors tensors;
  tensors.add("large.weight", {1024, 3000}, std::vector<float>(1024 * 3000, 0.5F));
  REQUIRE(write_model(tensors, {}, dir / "x.gguf", {.types = {TensorType::kQ8_0}}));
  CHECK(tensors.most_values_read == 1 << 20);
}

TEST_CASE("a stop ends the writing and leaves nothing") {
  const test::TempDir dir;
  const TemporaryModel original{fakes::TinyModelOptions{}};
  std::stop_source stop;
  WriteModelOptions options;
  options.stop = stop.get_token();
  options.on_progress = [&](std::uint64_t done, std::uint64_t total) {
    CHECK(done <= total);
    if (done > total / 2) stop.request_stop();
  };
  const auto cancelled = quantized(original.path(), dir / "x.gguf", "q8_0", options);
  CHECK(cancelled.error().code == ErrorCode::kCancelled);
  CHECK(fs::is_empty(dir.path()));
}

}  // namespace
}  // namespace weft::inference
