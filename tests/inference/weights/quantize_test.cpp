#include "inference/weights/quantize.h"

#include <algorithm>
#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"
#include "inference/weights/block_packing.h"
#include "tests/fakes/quantize.h"

namespace weft::inference {
namespace {

using Bytes = std::vector<std::byte>;

constexpr TensorType kBlockFormats[] = {TensorType::kQ4_0, TensorType::kQ4_1, TensorType::kQ5_0,
                                        TensorType::kQ5_1, TensorType::kQ8_0, TensorType::kQ4_K,
                                        TensorType::kQ5_K, TensorType::kQ6_K};

std::vector<float> normals(std::size_t count, std::uint64_t seed, float scale = 0.02F) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = scale * static_cast<float>(random.normal());
  return values;
}

Bytes quantized(TensorType type, std::span<const float> values,
                std::span<const float> importance = {}) {
  Bytes bytes(row_bytes(type, values.size()).value());
  REQUIRE(quantize(type, values, importance, bytes));
  return bytes;
}

std::vector<float> there_and_back(TensorType type, std::span<const float> values,
                                  std::span<const float> importance = {}) {
  std::vector<float> back(values.size());
  dequantize(type, quantized(type, values, importance), back);
  return back;
}

double squared_error(std::span<const float> a, std::span<const float> b,
                     std::span<const float> weights = {}) {
  double error = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = double{a[i]} - b[i];
    error += difference * difference * (weights.empty() ? 1.0 : double{weights[i]});
  }
  return error;
}

float half_at(const Bytes& bytes, std::size_t at) {
  return half_to_float(static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[at]) |
                                                  std::to_integer<unsigned>(bytes[at + 1]) << 8));
}

TEST_CASE("a block by hand: Q4_0 and Q4_1 as ggml rounds them") {
  std::vector<float> values(32);
  values[0] = -8;
  values[1] = 7;
  values[2] = 8;     // past the end of the grid, which reaches from -8 to 7
  values[17] = 0.5;  // a tie, rounded up
  values[18] = -0.5;
  const Bytes q4_0 = quantized(TensorType::kQ4_0, values);
  CHECK(half_at(q4_0, 0) == 1);
  const auto back = there_and_back(TensorType::kQ4_0, values);
  CHECK(back[0] == -8);
  CHECK(back[1] == 7);
  CHECK(back[2] == 7);
  CHECK(back[17] == 1);
  CHECK(back[18] == 0);

  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 16) - 3;
  const Bytes q4_1 = quantized(TensorType::kQ4_1, values);
  CHECK(half_at(q4_1, 0) == 1);
  CHECK(half_at(q4_1, 2) == -3);
  CHECK(there_and_back(TensorType::kQ4_1, values) == values);
}

TEST_CASE("values end within half a step of their block") {
  const auto values = normals(64 * 32, 1);
  struct Grid {
    TensorType type;
    float reach;  // the integer of the largest value, whose half float's rounding moves it by 2^-11
    bool has_min;
  };
  for (const Grid& grid : {Grid{TensorType::kQ8_0, 127, false}, Grid{TensorType::kQ4_1, 15, true},
                           Grid{TensorType::kQ5_1, 31, true}, Grid{TensorType::kQ4_0, 8, false},
                           Grid{TensorType::kQ5_0, 16, false}}) {
    const Bytes bytes = quantized(grid.type, values);
    std::vector<float> back(values.size());
    dequantize(grid.type, bytes, back);
    const std::size_t block_bytes = block_shape(grid.type).bytes;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t at = i / 32 * block_bytes;
      const float step = std::abs(half_at(bytes, at));
      const float min = grid.has_min ? std::abs(half_at(bytes, at + 2)) : 0;
      // Q4_0 and Q5_0 lack the integer opposite to the outermost one.
      const bool is_past_the_end = !grid.has_min && grid.reach < 127 &&
                                   values[i] * half_at(bytes, at) > 0 &&
                                   std::abs(values[i]) > (grid.reach - 1) * step;
      const float allowed =
          (is_past_the_end ? step : step / 2) + (grid.reach * step + min) / 1024 + 1e-7F;
      CAPTURE(to_string(grid.type), i, values[i], back[i], step);
      REQUIRE(std::abs(values[i] - back[i]) <= allowed);
    }
  }
}

TEST_CASE("Q4_K and Q5_K err less than ggml's own rounding") {
  const auto values = normals(256 * 256, 3);
  const double squares = squared_error(values, std::vector<float>(values.size()));
  // What ggml's quantisers (of llama-cpp-python 0.3.36) lose of a million normal values.
  for (const auto& [type, theirs] :
       {std::pair(TensorType::kQ4_K, 0.07139), std::pair(TensorType::kQ5_K, 0.03612)}) {
    const double ours = std::sqrt(squared_error(there_and_back(type, values), values) / squares);
    CAPTURE(to_string(type), ours);
    CHECK(ours < theirs);
    CHECK(ours > 0.9 * theirs);  // else the bound is of something else
  }
}

TEST_CASE("the K formats are closer than plain rounding, and more bits are closer still") {
  const auto values = normals(16 * 256, 2);
  double last = std::numeric_limits<double>::max();
  for (const TensorType type : {TensorType::kQ4_K, TensorType::kQ5_K, TensorType::kQ6_K}) {
    std::vector<float> plain(values.size());
    dequantize(type, fakes::quantize(type, values), plain);
    const double error = squared_error(there_and_back(type, values), values);
    CAPTURE(to_string(type), error, squared_error(plain, values));
    CHECK(error < squared_error(plain, values));
    CHECK(error < last / 3);  // a bit halves the error, whose square falls to a quarter
    last = error;
  }
}

TEST_CASE("importance moves the error to the columns that matter less") {
  const auto values = normals(8 * 256, 3);
  std::vector<float> importance(values.size(), 1);
  for (std::size_t i = 0; i < importance.size(); i += 8) importance[i] = 100;
  for (const TensorType type : kBlockFormats) {
    if (type == TensorType::kQ8_0) continue;  // close enough without
    const double with = squared_error(there_and_back(type, values, importance), values, importance);
    const double without = squared_error(there_and_back(type, values), values, importance);
    CAPTURE(to_string(type), with, without);
    CHECK(with < without);
  }
  CHECK(quantized(TensorType::kQ8_0, values, importance) == quantized(TensorType::kQ8_0, values));
  const std::vector<float> nothing_matters(values.size());
  for (const TensorType type : kBlockFormats) {
    const auto back = there_and_back(type, values, nothing_matters);
    CHECK(squared_error(back, values) < squared_error(std::vector<float>(values.size()), values));
  }
}

TEST_CASE("what was quantised is packed as it is read") {
  Random random(4);
  KBlock k{.d = float_to_half(0.5F), .dmin = float_to_half(0.25F)};
  for (auto& step : k.steps) step = static_cast<std::uint8_t>(random.below(64));
  for (auto& min : k.mins) min = static_cast<std::uint8_t>(random.below(64));
  for (const int bits : {4, 5}) {
    for (auto& q : k.q) q = static_cast<std::uint8_t>(random.below(1U << bits));
    std::array<std::byte, 144> q4{};
    std::array<std::byte, 176> q5{};
    std::array<float, 256> back{};
    if (bits == 4) {
      pack_q4_k(k, q4);
      dequantize(TensorType::kQ4_K, q4, back);
    } else {
      pack_q5_k(k, q5);
      dequantize(TensorType::kQ5_K, q5, back);
    }
    for (std::size_t i = 0; i < back.size(); ++i) {
      REQUIRE(back[i] == 0.5F * k.steps[i / 32] * k.q[i] - 0.25F * k.mins[i / 32]);
    }
  }
  Q6KBlock q6{.d = float_to_half(0.5F)};
  for (auto& step : q6.steps) step = static_cast<std::int8_t>(random.below(256));
  for (auto& q : q6.q) q = static_cast<std::uint8_t>(random.below(64));
  std::array<std::byte, 210> bytes{};
  std::array<float, 256> back{};
  pack_q6_k(q6, bytes);
  dequantize(TensorType::kQ6_K, bytes, back);
  for (std::size_t i = 0; i < back.size(); ++i) {
    REQUIRE(back[i] == 0.5F * q6.steps[i / 16] * (q6.q[i] - 32));
  }
}

TEST_CASE("a block of a file, read and quantised again, is the same block") {
  // Every integer of the grid is there, so the grid is found again.
  for (const TensorType type : {TensorType::kQ4_0, TensorType::kQ4_1, TensorType::kQ5_0,
                                TensorType::kQ5_1, TensorType::kQ8_0}) {
    const auto once = there_and_back(type, normals(32 * 32, 5));
    const auto twice = there_and_back(type, once);
    CAPTURE(to_string(type));
    CHECK(squared_error(once, twice) <= 1e-6 * squared_error(once, std::vector<float>(1024)));
  }
}

TEST_CASE("blocks of one value, of zeros and of the smallest numbers come back") {
  for (const TensorType type : kBlockFormats) {
    CAPTURE(to_string(type));
    const std::vector<float> zeros(256);
    CHECK(there_and_back(type, zeros) == zeros);
    for (const float value : {1.0F, -1.0F, 0.375F, -500.0F}) {
      for (const float back : there_and_back(type, std::vector<float>(256, value))) {
        REQUIRE(back == Approx(value).epsilon(0.01));
      }
    }
    const float tiny = std::numeric_limits<float>::denorm_min();
    std::vector<float> subnormal(256, tiny);
    subnormal[7] = -tiny;
    for (const float back : there_and_back(type, subnormal)) REQUIRE(std::abs(back) < 1e-6F);
    for (const float back : there_and_back(type, std::vector<float>(256, 65504))) {
      REQUIRE(back == Approx(65504).epsilon(0.01));
    }
  }
}

TEST_CASE("values that no format holds are refused, with their place") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const TensorType type :
       {TensorType::kF32, TensorType::kF16, TensorType::kBF16, TensorType::kQ4_0, TensorType::kQ8_0,
        TensorType::kQ4_K, TensorType::kQ6_K}) {
    for (const float bad : {nan, infinity, -infinity}) {
      std::vector<float> values(256, 0.5F);
      values[200] = bad;
      Bytes bytes(row_bytes(type, values.size()).value());
      const auto result = quantize(type, values, {}, bytes);
      REQUIRE_FALSE(result);
      CHECK(result.error().code == ErrorCode::kUnsupported);
      CHECK_THAT(result.error().message, Catch::Contains("value 200"));
    }
  }
  std::vector<float> large(256, 70000);
  Bytes bytes(256 * 2);
  CHECK_THAT(quantize(TensorType::kF16, large, {}, bytes).error().message,
             Catch::Contains("F16 can hold"));
  CHECK(quantize(TensorType::kBF16, large, {}, bytes));
  CHECK(quantize(TensorType::kQ4_0, large, {}, bytes).error().code == ErrorCode::kInvalidArgument);
  CHECK(quantize(TensorType::kBF16, large, std::vector<float>(3), bytes).error().code ==
        ErrorCode::kInvalidArgument);
}

TEST_CASE("halves are rounded to the nearest, ties to even") {
  const std::vector<float> values = {1.0F, 1.00048828125F, 65519, 1e-8F};
  CHECK(there_and_back(TensorType::kF16, values) == std::vector<float>{1, 1, 65504, 0});
  CHECK(there_and_back(TensorType::kBF16, std::vector{1.00390625F, 1.01171875F}) ==
        std::vector{1.0F, 1.015625F});
}

}  // namespace
}  // namespace weft::inference
