#include "inference/weights/block_packing.h"

#include <algorithm>
#include <cstring>

namespace weft::inference {
namespace {

constexpr std::size_t kHalf = sizeof(std::uint16_t);

std::byte byte_of(unsigned value) { return static_cast<std::byte>(value & 0xFF); }

void put_half(std::uint16_t half, std::byte* out) { std::memcpy(out, &half, sizeof half); }

// Six bits each of eight steps and minima: the first four of both as they are, the others' low
// nibbles together and their high bits in the free bits of the first.
void pack_steps_and_mins(const KBlock& block, std::byte* out) {
  std::array<unsigned, 12> bytes{};
  for (std::size_t j = 0; j < 4; ++j) {
    const unsigned step = block.steps[j + 4];
    const unsigned min = block.mins[j + 4];
    bytes[j] = block.steps[j] | step >> 4 << 6;
    bytes[j + 4] = block.mins[j] | min >> 4 << 6;
    bytes[j + 8] = (step & 15) | (min & 15) << 4;
  }
  std::ranges::transform(bytes, out, byte_of);
}

// Sub-blocks 2g and 2g + 1 share 32 bytes.
void pack_pairs_of_sub_blocks(const KBlock& block, std::byte* out) {
  for (std::size_t pair = 0; pair < 4; ++pair) {
    const std::uint8_t* q = block.q.data() + 64 * pair;
    for (std::size_t l = 0; l < 32; ++l) {
      out[32 * pair + l] = byte_of((q[l] & 15U) | (q[l + 32] & 15U) << 4);
    }
  }
}

}  // namespace

void pack_nibbles32(std::span<const std::uint8_t, 32> q, std::span<std::byte, 16> out) {
  for (std::size_t j = 0; j < 16; ++j) out[j] = byte_of((q[j] & 15U) | (q[j + 16] & 15U) << 4);
}

std::uint32_t fifth_bits32(std::span<const std::uint8_t, 32> q) {
  std::uint32_t bits = 0;
  for (std::size_t j = 0; j < 32; ++j) bits |= static_cast<std::uint32_t>(q[j] >> 4 & 1) << j;
  return bits;
}

void pack_q4_k(const KBlock& block, std::span<std::byte, 144> out) {
  put_half(block.d, out.data());
  put_half(block.dmin, out.data() + kHalf);
  pack_steps_and_mins(block, out.data() + 4);
  pack_pairs_of_sub_blocks(block, out.data() + 16);
}

void pack_q5_k(const KBlock& block, std::span<std::byte, 176> out) {
  put_half(block.d, out.data());
  put_half(block.dmin, out.data() + kHalf);
  pack_steps_and_mins(block, out.data() + 4);
  for (std::size_t l = 0; l < 32; ++l) {
    unsigned bits = 0;
    for (std::size_t j = 0; j < 8; ++j) bits |= (block.q[32 * j + l] >> 4 & 1U) << j;
    out[16 + l] = byte_of(bits);
  }
  pack_pairs_of_sub_blocks(block, out.data() + 48);
}

void pack_q6_k(const Q6KBlock& block, std::span<std::byte, 210> out) {
  for (std::size_t half = 0; half < 2; ++half) {
    const std::uint8_t* q = block.q.data() + 128 * half;
    for (std::size_t l = 0; l < 64; ++l) {
      out[64 * half + l] = byte_of((q[l] & 15U) | (q[l + 64] & 15U) << 4);
    }
    for (std::size_t l = 0; l < 32; ++l) {
      unsigned bits = 0;
      for (std::size_t k = 0; k < 4; ++k) bits |= (q[l + 32 * k] >> 4 & 3U) << 2 * k;
      out[128 + 32 * half + l] = byte_of(bits);
    }
  }
  std::memcpy(out.data() + 192, block.steps.data(), block.steps.size());
  put_half(block.d, out.data() + 208);
}

}  // namespace weft::inference
