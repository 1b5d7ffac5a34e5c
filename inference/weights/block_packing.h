#pragma once
// Integers, steps and minima to the bytes of a block: the inverse of tensor_type.cpp's
// dequantize(), which has the layouts. Private to the quantisers.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace weft::inference {

/// 32 integers of 4 bits into 16 bytes; `q` may have more bits, which are left out.
void pack_nibbles32(std::span<const std::uint8_t, 32> q, std::span<std::byte, 16> out);
/// Bit 4 of 32 integers.
std::uint32_t fifth_bits32(std::span<const std::uint8_t, 32> q);

struct KBlock {
  std::uint16_t d = 0;  // half: the unit of the steps
  std::uint16_t dmin = 0;
  std::array<std::uint8_t, 8> steps{};  // 6 bits each
  std::array<std::uint8_t, 8> mins{};
  std::array<std::uint8_t, 256> q{};  // 4 or 5 bits
};

void pack_q4_k(const KBlock& block, std::span<std::byte, 144> out);
void pack_q5_k(const KBlock& block, std::span<std::byte, 176> out);

struct Q6KBlock {
  std::uint16_t d = 0;
  std::array<std::int8_t, 16> steps{};
  std::array<std::uint8_t, 256> q{};  // 6 bits, 32 is zero
};

void pack_q6_k(const Q6KBlock& block, std::span<std::byte, 210> out);

}  // namespace weft::inference
