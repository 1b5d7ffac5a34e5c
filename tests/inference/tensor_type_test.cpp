#include "inference/tensor_type.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "tests/fakes/gguf_writer.h"
#include "tests/fakes/quantize.h"

namespace weft::inference {
namespace {

using fakes::Bytes;

constexpr std::uint16_t kHalfQuarter = 0x3400;
constexpr std::uint16_t kHalfHalf = 0x3800;
constexpr std::uint16_t kHalfOne = 0x3C00;
constexpr std::uint16_t kHalfTwo = 0x4000;
constexpr std::uint16_t kHalfInfinity = 0x7C00;
constexpr std::uint16_t kHalfNan = 0x7E00;

constexpr TensorType kTypes[] = {TensorType::kF32,  TensorType::kF16,  TensorType::kBF16,
                                 TensorType::kQ4_0, TensorType::kQ4_1, TensorType::kQ5_0,
                                 TensorType::kQ5_1, TensorType::kQ8_0, TensorType::kQ4_K,
                                 TensorType::kQ5_K, TensorType::kQ6_K};

// One block, all zero but for what a test sets.
class Block {
 public:
  explicit Block(TensorType type) : type_(type), bytes_(block_shape(type).bytes) {}

  Block& set(std::size_t at, int byte) {
    bytes_.at(at) = static_cast<std::byte>(byte);
    return *this;
  }
  Block& half(std::size_t at, std::uint16_t bits) {
    return set(at, bits & 0xFF).set(at + 1, bits >> 8);
  }
  Block& fill(std::size_t from, std::size_t count, int byte) {
    for (std::size_t i = from; i < from + count; ++i) set(i, byte);
    return *this;
  }
  std::vector<float> values() const {
    std::vector<float> out(block_shape(type_).values);
    dequantize(type_, bytes_, out);
    return out;
  }

 private:
  TensorType type_;
  Bytes bytes_;
};

TEST_CASE("every id that GGUF gave has its name, and eleven are read") {
  CHECK(tensor_type_name(0) == "F32");
  CHECK(tensor_type_name(5) == "Q4_3");
  CHECK(tensor_type_name(20) == "IQ4_NL");
  CHECK(tensor_type_name(30) == "BF16");
  CHECK(tensor_type_name(33) == "Q4_0_8_8");
  CHECK(tensor_type_name(38) == "IQ4_NL_8_8");
  CHECK(tensor_type_name(39) == "MXFP4");
  CHECK(tensor_type_name(42) == "Q2_0");
  CHECK(tensor_type_name(43) == "?");
  CHECK(tensor_type_name(0xFFFFFFFF) == "?");
  int read = 0;
  for (std::uint32_t id = 0; id < 1000; ++id) read += tensor_type_from_id(id).has_value() ? 1 : 0;
  CHECK(read == 11);
  for (const TensorType type : kTypes) {
    CHECK(tensor_type_from_id(static_cast<std::uint32_t>(type)) == type);
  }
  CHECK(to_string(TensorType::kQ4_K) == "Q4_K");
  CHECK_FALSE(tensor_type_from_id(0xFFFFFFFF));
}

TEST_CASE("a row takes its blocks' bytes and is whole blocks") {
  CHECK(row_bytes(TensorType::kF32, 3) == 12);
  CHECK(row_bytes(TensorType::kF16, 3) == 6);
  CHECK(row_bytes(TensorType::kBF16, 3) == 6);
  CHECK(row_bytes(TensorType::kQ4_0, 576) == 18 * 18);
  CHECK(row_bytes(TensorType::kQ4_1, 576) == 18 * 20);
  CHECK(row_bytes(TensorType::kQ5_0, 896) == 28 * 22);
  CHECK(row_bytes(TensorType::kQ5_1, 896) == 28 * 24);
  CHECK(row_bytes(TensorType::kQ8_0, 576) == 18 * 34);
  CHECK(row_bytes(TensorType::kQ4_K, 1536) == 6 * 144);
  CHECK(row_bytes(TensorType::kQ5_K, 1536) == 6 * 176);
  CHECK(row_bytes(TensorType::kQ6_K, 1536) == 6 * 210);
  CHECK_FALSE(row_bytes(TensorType::kQ4_K, 576));
  CHECK_FALSE(row_bytes(TensorType::kQ8_0, 33));
  CHECK_FALSE(row_bytes(TensorType::kF32, std::numeric_limits<std::size_t>::max()));
}

TEST_CASE("halves are the values that IEEE 754 gives them") {
  CHECK(half_to_float(0x3C00) == 1.0F);
  CHECK(half_to_float(0xC000) == -2.0F);
  CHECK(half_to_float(0x3555) == 0.333251953125F);
  CHECK(half_to_float(0x7BFF) == 65504.0F);
  CHECK(half_to_float(0x0400) == 0x1p-14F);
  CHECK(half_to_float(0x03FF) == 1023 * 0x1p-24F);
  CHECK(half_to_float(0x8001) == -0x1p-24F);
  CHECK(std::signbit(half_to_float(0x8000)));
  CHECK(half_to_float(0x7C00) == std::numeric_limits<float>::infinity());
  CHECK(half_to_float(0xFC00) == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(half_to_float(0x7C01)));
}

TEST_CASE("every half survives the way through a float") {
  int changed = 0;
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = half_to_float(half);
    if (std::isnan(value) ? !std::isnan(half_to_float(float_to_half(value)))
                          : float_to_half(value) != half) {
      ++changed;
    }
  }
  CHECK(changed == 0);
}

TEST_CASE("floats round to the nearest half and ties to the even one, over the whole range") {
  int wrong = 0;
  for (std::uint32_t bits = 0; bits < 0x7BFF; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits);
    const auto high = static_cast<std::uint16_t>(bits + 1);
    const float middle = (half_to_float(low) + half_to_float(high)) / 2;  // exact
    const std::uint16_t even = bits % 2 == 0 ? low : high;
    if (float_to_half(middle) != even) ++wrong;
    if (float_to_half(-middle) != (even | 0x8000)) ++wrong;
    if (float_to_half(std::nextafter(middle, 0.0F)) != low) ++wrong;
    if (float_to_half(std::nextafter(middle, 1e9F)) != high) ++wrong;
  }
  CHECK(wrong == 0);
  CHECK(float_to_half(65519.996F) == 0x7BFF);
  CHECK(float_to_half(65520.0F) == kHalfInfinity);
  CHECK(float_to_half(-1e30F) == 0xFC00);
  CHECK(float_to_half(std::numeric_limits<float>::infinity()) == kHalfInfinity);
  CHECK(float_to_half(1e-30F) == 0);
  CHECK(float_to_half(std::numeric_limits<float>::denorm_min()) == 0);
  CHECK(std::isnan(half_to_float(float_to_half(std::numeric_limits<float>::quiet_NaN()))));
}

TEST_CASE("F32, F16 and BF16 are the number itself") {
  CHECK(Block(TensorType::kF32).set(2, 0x80).set(3, 0xBF).values().at(0) == -1.0F);
  CHECK(Block(TensorType::kF16).half(0, kHalfTwo).values().at(0) == 2.0F);
  CHECK(Block(TensorType::kBF16).half(0, 0x3FC0).values().at(0) == 1.5F);
  CHECK(Block(TensorType::kBF16).half(0, 0xFF80).values().at(0) ==
        -std::numeric_limits<float>::infinity());
  CHECK(Block(TensorType::kBF16).half(0, 0x0001).values().at(0) == 0x1p-133F);  // subnormal
}

TEST_CASE("Q4_0 is d (q - 8)") {
  const auto x = Block(TensorType::kQ4_0)
                     .half(0, kHalfHalf)
                     .fill(2, 16, 0x88)
                     .set(2, 0x2F)   // 15 for value 0, 2 for value 16
                     .set(17, 0x80)  // 0 for value 15, 8 for value 31
                     .values();
  CHECK(x[0] == 3.5F);
  CHECK(x[16] == -3.0F);
  CHECK(x[15] == -4.0F);
  CHECK(x[31] == 0.0F);
  CHECK(x[1] == 0.0F);
}

TEST_CASE("Q4_1 is d q + m") {
  const auto x = Block(TensorType::kQ4_1).half(0, kHalfTwo).half(2, 0xBC00).set(4, 0xF3).values();
  CHECK(x[0] == 5.0F);    // 2 * 3 - 1
  CHECK(x[16] == 29.0F);  // 2 * 15 - 1
  CHECK(x[1] == -1.0F);
  CHECK(x[31] == -1.0F);
}

TEST_CASE("Q5_0 is d (q - 16) with the fifth bits apart") {
  const auto x = Block(TensorType::kQ5_0)
                     .half(0, kHalfQuarter)
                     .set(2, 0x01)  // bit 0: value 0
                     .set(5, 0x80)  // bit 31: value 31
                     .set(6, 0x21)
                     .values();
  CHECK(x[0] == 0.25F);   // 16 + 1
  CHECK(x[16] == -3.5F);  // 2
  CHECK(x[31] == 0.0F);   // 16
  CHECK(x[1] == -4.0F);
}

TEST_CASE("Q5_1 is d q + m with the fifth bits apart") {
  const auto x = Block(TensorType::kQ5_1)
                     .half(0, kHalfOne)
                     .half(2, kHalfHalf)
                     .set(6, 0x01)  // bit 16: value 16
                     .set(8, 0x4F)
                     .values();
  CHECK(x[0] == 15.5F);
  CHECK(x[16] == 20.5F);  // 16 + 4
  CHECK(x[1] == 0.5F);
}

TEST_CASE("Q8_0 is d q, -128 too") {
  const auto x =
      Block(TensorType::kQ8_0).half(0, kHalfHalf).set(2, 0x80).set(3, 0x7F).set(33, 0xFF).values();
  CHECK(x[0] == -64.0F);
  CHECK(x[1] == 63.5F);
  CHECK(x[2] == 0.0F);
  CHECK(x[31] == -0.5F);
}

// d 1, dmin 0.5; sub-block 0 has scale 63 and minimum 1, sub-block 5 scale 37 = 2 * 16 + 5 and
// minimum 50 = 3 * 16 + 2, whose upper bits lie above the scale and minimum of sub-block 1.
Block k_block(TensorType type) {
  return Block(type)
      .half(0, kHalfOne)
      .half(2, kHalfHalf)
      .set(4, 63)
      .set(8, 1)
      .set(5, 2 << 6)
      .set(9, 3 << 6)
      .set(13, 2 << 4 | 5);
}

TEST_CASE("Q4_K is d scale q - dmin min with 6-bit scales and minima") {
  const auto x = k_block(TensorType::kQ4_K).set(16 + 3, 0x07).set(16 + 64 + 1, 0xA0).values();
  CHECK(x[0] == -0.5F);
  CHECK(x[3] == 440.5F);  // 63 * 7 - 0.5
  CHECK(x[35] == 0.0F);   // sub-block 1: scale and minimum are 0
  CHECK(x[160] == -25.0F);
  CHECK(x[161] == 345.0F);  // 37 * 10 - 25
  CHECK(x[129] == 0.0F);
}

TEST_CASE("Q5_K adds a fifth bit: bit j of byte l for value l of sub-block j") {
  const auto x = k_block(TensorType::kQ5_K)
                     .set(16, 1 << 0)      // value 0 of sub-block 0
                     .set(16 + 1, 1 << 5)  // value 1 of sub-block 5
                     .set(48 + 3, 0x07)
                     .set(48 + 64 + 1, 0xA0)
                     .values();
  CHECK(x[0] == 1007.5F);  // 63 * 16 - 0.5
  CHECK(x[1] == -0.5F);
  CHECK(x[3] == 440.5F);
  CHECK(x[160] == -25.0F);
  CHECK(x[161] == 937.0F);  // 37 * 26 - 25
}

TEST_CASE("Q6_K is d scale (q - 32) with signed scales of 16 values") {
  const auto x = Block(TensorType::kQ6_K)
                     .half(208, kHalfHalf)
                     .set(32, 0x05)        // first half, second quarter, value 0: low bits 5
                     .set(128, 0x0C)       // ... and high bits 3: 53
                     .set(192 + 2, 2)      // its scale
                     .set(63, 0xF0)        // first half, last quarter, value 31: 15
                     .set(128 + 31, 0xC0)  // ... and 3: 63
                     .set(192 + 7, 1)
                     .set(64 + 20, 0x90)        // second half, third quarter, value 20: 9
                     .set(128 + 32 + 20, 0x20)  // ... and 2: 41
                     .set(192 + 13, 0x80)       // scale -128
                     .values();
  CHECK(x[32] == 21.0F);     // 0.5 * 2 * 21
  CHECK(x[33] == -32.0F);    // 0.5 * 2 * -32
  CHECK(x[48] == 0.0F);      // the next scale, 0
  CHECK(x[127] == 15.5F);    // 0.5 * 31
  CHECK(x[212] == -576.0F);  // 0.5 * -128 * 9
  CHECK(x[208] == 2048.0F);  // 0.5 * -128 * -32
}

TEST_CASE("scales that are infinite, NaN or subnormal follow IEEE 754") {
  const auto infinite =
      Block(TensorType::kQ8_0).half(0, kHalfInfinity).set(2, 1).set(3, 0xFF).values();
  CHECK(infinite[0] == std::numeric_limits<float>::infinity());
  CHECK(infinite[1] == -std::numeric_limits<float>::infinity());
  CHECK(std::isnan(infinite[2]));  // infinity times zero
  for (const float x : Block(TensorType::kQ6_K).half(208, kHalfNan).values()) {
    CHECK(std::isnan(x));
  }
  CHECK(Block(TensorType::kQ8_0).half(0, 0x0001).set(2, 3).values()[0] == 3 * 0x1p-24F);
  CHECK(Block(TensorType::kQ4_1).half(2, 0x8001).values()[0] == -0x1p-24F);
}

// The largest distance of a value from what is kept of it, for values in [-1, 1].
TEST_CASE("quantized values come back within half a step") {
  const auto bound = [](TensorType type) {
    switch (type) {
      case TensorType::kF32:
        return 0.0;
      case TensorType::kF16:
        return 0x1p-12;
      case TensorType::kBF16:
        return 0x1p-9;
      case TensorType::kQ4_0:
        return 0.5 / 7 + 1e-3;
      case TensorType::kQ4_1:
        return 0.5 * 2 / 15 + 2e-3;
      case TensorType::kQ5_0:
        return 0.5 / 15 + 1e-3;
      case TensorType::kQ5_1:
        return 0.5 * 2 / 31 + 2e-3;
      case TensorType::kQ8_0:
        return 0.5 / 127 + 1e-3;
      // K-quants round the scales too: at most half a step of 1 / 63 or 1 / 127 of the largest.
      case TensorType::kQ4_K:
        return 0.5 * 2 / 15 + 1.5 / 63 + 1e-3;
      case TensorType::kQ5_K:
        return 0.5 * 2 / 31 + 1.5 / 63 + 1e-3;
      case TensorType::kQ6_K:
        return 0.5 / 31 + 0.5 / 127 + 1e-3;
    }
    return 0.0;
  };
  std::vector<float> values(4096);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(i * 2654435761U % 20001) / 10000 - 1;
  }
  for (const TensorType type : kTypes) {
    const Bytes bytes = fakes::quantize(type, values);
    REQUIRE(bytes.size() == row_bytes(type, values.size()));
    std::vector<float> back(values.size());
    dequantize(type, bytes, back);
    double error_max = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      error_max = std::max(error_max, std::abs(double{values[i]} - back[i]));
    }
    CAPTURE(to_string(type));
    CHECK(error_max <= bound(type));
  }
}

}  // namespace
}  // namespace weft::inference
