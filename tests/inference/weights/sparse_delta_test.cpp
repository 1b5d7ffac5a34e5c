#include "inference/weights/sparse_delta.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "base/random.h"
#include "inference/weights/write_model.h"
#include "tests/fakes/safetensors_writer.h"
#include "tests/fakes/temp_dir.h"
#include "tests/inference/weights/memory_tensors.h"

namespace weft::inference {
namespace {

using Floats = std::vector<float>;

std::vector<float> normals(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

struct Pair {
  MemoryTensors base;
  MemoryTensors tuned;
};

/// Two tensors of 600 and 40 weights, of which 30 and none change.
Pair pair_of_models() {
  Pair pair;
  Floats values = normals(600, 1);
  pair.base.add("a.weight", {20, 30}, values);
  pair.base.add("b.weight", {40}, normals(40, 2));
  Random random(3);
  for (int i = 0; i < 30; ++i)
    values[static_cast<std::size_t>(i) * 20 + 3] += 1 + 0.1F * static_cast<float>(i);
  pair.tuned.add("b.weight", {40}, normals(40, 2));
  pair.tuned.add("a.weight", {20, 30}, values);
  return pair;
}

Floats patched(const TensorSource& source, const SparseDelta& delta,
               const PatchedTensors::Options& options, std::uint64_t step = 1 << 30) {
  const auto tensors = PatchedTensors::open(source, delta, options);
  REQUIRE(tensors);
  return all_of(**tensors, 0, step);
}

TEST_CASE("a delta that sets makes the tuned model of the base, bit for bit") {
  const test::TempDir dir;
  const auto [base, tuned] = pair_of_models();
  const auto found = diff(base, tuned, dir / "d.safetensors", {.base = "fingerprint"});
  REQUIRE(found);
  CHECK(found->tensors[0].changed == 30);
  CHECK(found->tensors[0].largest == Approx(3.9));
  CHECK(found->tensors[1].changed == 0);
  CHECK(found->size_bytes == std::filesystem::file_size(dir / "d.safetensors"));
  const auto delta = SparseDelta::open(dir / "d.safetensors");
  REQUIRE(delta);
  CHECK(delta->op() == DeltaOp::kSet);
  CHECK(delta->base() == "fingerprint");
  CHECK(delta->changed() == 30);
  CHECK(delta->tensors() == std::vector<std::string>{"a.weight"});
  CHECK(patched(base, *delta, {}) == all_of(tuned, 1));
  CHECK(patched(base, *delta, {}, 1) == all_of(tuned, 1));
  CHECK(PatchedTensors::open(base, *delta, {.inverse = true}).error().code ==
        ErrorCode::kInvalidArgument);
}

TEST_CASE("a delta that adds is taken away by its inverse, and scaled") {
  const test::TempDir dir;
  const auto [base, tuned] = pair_of_models();
  REQUIRE(diff(base, tuned, dir / "d.safetensors", {.op = DeltaOp::kAdd}));
  const auto delta = SparseDelta::open(dir / "d.safetensors").value();
  const Floats before = all_of(base, 0);
  const Floats after = patched(base, delta, {});
  const Floats half = patched(base, delta, {.scale = 0.5F});
  MemoryTensors again;
  again.add("a.weight", {20, 30}, after);
  const Floats restored = patched(again, delta, {.inverse = true});
  const Floats wanted = all_of(tuned, 1);
  for (std::size_t i = 0; i < before.size(); ++i) {
    REQUIRE(after[i] == Approx(wanted[i]).epsilon(1e-6).margin(1e-6));
    REQUIRE(half[i] == Approx((before[i] + wanted[i]) / 2).epsilon(1e-6).margin(1e-6));
    REQUIRE(restored[i] == Approx(before[i]).epsilon(1e-6).margin(1e-6));
  }
}

TEST_CASE("of each tensor only the largest changes are kept") {
  const test::TempDir dir;
  const auto [base, tuned] = pair_of_models();
  const auto found = diff(base, tuned, dir / "d.safetensors", {.keep = 10.0 / 600});
  REQUIRE(found);
  CHECK(found->tensors[0].changed == 10);
  const auto delta = SparseDelta::open(dir / "d.safetensors").value();
  const auto changes = delta.changes("a.weight", 600);
  REQUIRE(changes);
  CHECK(changes->indices.front() == 20 * 20 + 3);  // the ten last, which changed most
  CHECK(changes->indices.back() == 29 * 20 + 3);
  CHECK(diff(base, tuned, {}, {.keep = 0}).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("models without a difference make a delta without a change") {
  const test::TempDir dir;
  const auto [base, tuned] = pair_of_models();
  REQUIRE(diff(base, base, dir / "d.safetensors", {}));
  const auto delta = SparseDelta::open(dir / "d.safetensors");
  REQUIRE(delta);
  CHECK(delta->changed() == 0);
  CHECK(patched(base, *delta, {}) == all_of(base, 0));
}

/// A delta of our own: "a.weight", whose indices come as they are given.
struct OwnDelta {
  std::vector<std::int64_t> indices;
  Floats values;
  std::string op = "set";
  std::string format = "weft.sparse-delta";
  std::string name = "a.weight";

  Result<SparseDelta> open(const test::TempDir& dir) const {
    const std::size_t first = indices.size() * sizeof(std::int64_t);
    const std::string header =
        R"({"__metadata__":{"format":")" + format + R"(","op":")" + op + R"("},")" + name +
        R"(.indices":{"dtype":"I64","shape":[)" + std::to_string(indices.size()) +
        R"(],"data_offsets":[0,)" + std::to_string(first) + "]},\"" + name +
        R"(.values":{"dtype":"F32","shape":[)" + std::to_string(values.size()) +
        R"(],"data_offsets":[)" + std::to_string(first) + "," +
        std::to_string(first + values.size() * sizeof(float)) + "]}}";
    fakes::Bytes data;
    for (const std::int64_t index : indices) fakes::append(data, index);
    for (const float value : values) fakes::append(data, value);
    fakes::write_file(dir / "own.safetensors", fakes::SafetensorsWriter::with_header(header, data));
    return SparseDelta::open(dir / "own.safetensors");
  }
};

TEST_CASE("the order of indices doesn't matter") {
  const test::TempDir dir;
  const auto [base, tuned] = pair_of_models();
  const auto first = OwnDelta{{3, 599, 40}, {1, 2, 3}}.open(dir).value();
  const Floats one = patched(base, first, {});
  const auto second = OwnDelta{{40, 3, 599}, {3, 1, 2}}.open(dir).value();
  CHECK(patched(base, second, {}, 7) == one);
  CHECK(one[599] == 2);
}

TEST_CASE("deltas that can't be right are refused with the place") {
  const test::TempDir dir;
  const auto message = [&](const OwnDelta& own) {
    const auto delta = own.open(dir);
    if (!delta) return delta.error().message;
    return delta->changes("a.weight", 600).error().message;
  };
  CHECK_THAT(message({{600}, {1}}), Catch::Contains("index 600 of 'a.weight'"));
  CHECK_THAT(message({{-1}, {1}}), Catch::Contains("beyond its 600"));
  CHECK_THAT(message({{4, 4}, {1, 2}}), Catch::Contains("index 4") && Catch::Contains("twice"));
  CHECK_THAT(message({{4}, {std::numeric_limits<float>::quiet_NaN()}}), Catch::Contains("index 4"));
  CHECK_THAT(message({{4, 5}, {1}}), Catch::Contains("'a.weight'"));
  CHECK_THAT(message({{4}, {1}, "multiply"}), Catch::Contains("multiply"));
  CHECK_THAT(message({{4}, {1}, "set", "other"}), Catch::Contains("not a sparse delta"));
  const auto [base, tuned] = pair_of_models();
  const auto delta = OwnDelta{{4}, {1}, "set", "weft.sparse-delta", "z"}.open(dir).value();
  CHECK_THAT(PatchedTensors::open(base, delta, {}).error().message, Catch::Contains("'z'"));
}

TEST_CASE("a delta into blocks of a few bits is refused, and untouched tensors stay as they are") {
  const test::TempDir dir;
  MemoryTensors base;
  base.add("a.weight", {32, 30}, normals(960, 1), TensorType::kQ4_0);
  const auto delta = OwnDelta{{4}, {1}}.open(dir).value();
  const auto tensors = PatchedTensors::open(base, delta, {}).value();
  WriteModelOptions options{.types = {TensorType::kQ4_0}};
  const auto refused = write_model(*tensors, {}, dir / "x.gguf", options);
  CHECK(refused.error().code == ErrorCode::kPermissionDenied);
  CHECK_THAT(refused.error().message,
             Catch::Contains("'a.weight'") && Catch::Contains("--allow-requantize"));
  options.allow_requantize = true;
  CHECK(write_model(*tensors, {}, dir / "x.gguf", options));
  options = {.types = {TensorType::kF16}};
  CHECK(write_model(*tensors, {}, dir / "x.gguf", options));
}

}  // namespace
}  // namespace weft::inference
