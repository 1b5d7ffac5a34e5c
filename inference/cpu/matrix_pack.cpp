#include "inference/cpu/matrix_pack.h"

#include <array>
#include <cassert>
#include <cstring>

#include "inference/cpu/matrix_layout.h"

namespace weft::inference::cpu {
namespace {

std::uint32_t dword(const std::uint8_t* from) {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// One row's share of one block: vectors and side rows of kRows rows each, of which it is number r.
// The stride is known to the compiler: loading a model is little else than this.
template <std::size_t kRows>
class Place {
 public:
  Place(std::uint8_t* quants, std::uint8_t* side, std::size_t r)
      : quants_(quants + 4 * r), side_(side + 2 * r) {}

  void vector(std::size_t i, std::uint32_t bytes) {
    std::memcpy(quants_ + 4 * kRows * i, &bytes, sizeof bytes);
  }
  void vectors(std::size_t first, std::size_t count, const std::uint8_t* from) {
    for (std::size_t i = 0; i < count; ++i) vector(first + i, dword(from + 4 * i));
  }
  /// Two bytes a row: a half or a pair of small numbers.
  void side(std::size_t i, const std::uint8_t* from) {
    std::memcpy(side_ + 2 * kRows * i, from, 2);
  }

 private:
  std::uint8_t* quants_;
  std::uint8_t* side_;
};

// kSpread[b]: bit t of b goes to bit t / 4 of byte t % 4.
constexpr std::array<std::uint32_t, 256> kSpread = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::size_t b = 0; b < 256; ++b) {
    for (std::size_t t = 0; t < 8; ++t) {
      table[b] |= static_cast<std::uint32_t>(b >> t & 1) << (8 * (t % 4) + t / 4);
    }
  }
  return table;
}();

// Bit 4 i + j of the file's fifth bits to bit i of byte j.
std::uint32_t fifth_bits(const std::uint8_t* qh) {
  return kSpread[qh[0]] | kSpread[qh[1]] << 2 | kSpread[qh[2]] << 4 | kSpread[qh[3]] << 6;
}

// The eight 6-bit scales and minima of Q4_K and Q5_K, from their 12 bytes.
void scales_and_minima(const std::uint8_t* b, std::uint8_t* scales, std::uint8_t* minima) {
  for (std::size_t j = 0; j < 4; ++j) {
    scales[j] = b[j] & 63;
    minima[j] = b[j + 4] & 63;
    scales[j + 4] = static_cast<std::uint8_t>((b[j + 8] & 15) | b[j] >> 6 << 4);
    minima[j + 4] = static_cast<std::uint8_t>(b[j + 8] >> 4 | b[j + 4] >> 6 << 4);
  }
}

template <bool kHasFifthBits, typename Place>
void pack_q4_k_or_q5_k(const std::uint8_t* block, Place place) {
  place.vectors(0, 32, block + (kHasFifthBits ? 48 : 16));
  if (kHasFifthBits) place.vectors(32, 8, block + 16);
  std::uint8_t scales[8];
  std::uint8_t minima[8];
  scales_and_minima(block + 4, scales, minima);
  for (std::size_t p = 0; p < 4; ++p) {
    place.side(p, scales + 2 * p);
    place.side(4 + p, minima + 2 * p);
  }
  place.side(8, block);
  place.side(9, block + 2);
}

// Packed pairs of sub-blocks go half by half and quarter by quarter, as the file's scales do.
template <typename Place>
void pack_q6_k(const std::uint8_t* block, Place place) {
  place.vectors(0, 32, block);
  place.vectors(32, 16, block + 128);
  for (std::size_t p = 0; p < 8; ++p) place.side(p, block + 192 + 2 * p);
  place.side(8, block + 208);
}

template <TensorType kType, typename Place>
void pack_block(const std::uint8_t* block, Place place) {
  if constexpr (kType == TensorType::kQ4_0) {
    place.side(0, block);
    place.vectors(0, 4, block + 2);
  } else if constexpr (kType == TensorType::kQ4_1) {
    place.side(0, block);
    place.side(1, block + 2);
    place.vectors(0, 4, block + 4);
  } else if constexpr (kType == TensorType::kQ5_0) {
    place.side(0, block);
    place.vector(4, fifth_bits(block + 2));
    place.vectors(0, 4, block + 6);
  } else if constexpr (kType == TensorType::kQ5_1) {
    place.side(0, block);
    place.side(1, block + 2);
    place.vector(4, fifth_bits(block + 4));
    place.vectors(0, 4, block + 8);
  } else if constexpr (kType == TensorType::kQ8_0) {
    place.side(0, block);
    for (std::size_t i = 0; i < 8; ++i) place.vector(i, dword(block + 2 + 4 * i) ^ 0x80808080);
  } else if constexpr (kType == TensorType::kQ6_K) {
    pack_q6_k(block, place);
  } else {
    static_assert(kType == TensorType::kQ4_K || kType == TensorType::kQ5_K);
    pack_q4_k_or_q5_k<kType == TensorType::kQ5_K>(block, place);
  }
}

template <TensorType kType, std::size_t kRows>
void pack_blocks(std::size_t blocks, const std::uint8_t* from, std::uint8_t* to) {
  constexpr PackedBlock packed = packed_block(kType);
  const std::size_t bytes = block_shape(kType).bytes;
  for (std::size_t b = 0; b < blocks; ++b) {
    std::uint8_t* side = to + packed.quant_bytes * kRows;
    for (std::size_t r = 0; r < kRows; ++r) {
      pack_block<kType>(from + (r * blocks + b) * bytes, Place<kRows>(to, side, r));
    }
    to = side + packed.side_bytes * kRows;
  }
}

template <std::size_t kRows>
void pack_blocks(TensorType type, std::size_t blocks, const std::uint8_t* from, std::uint8_t* to) {
  switch (type) {
    case TensorType::kQ4_0:
      return pack_blocks<TensorType::kQ4_0, kRows>(blocks, from, to);
    case TensorType::kQ4_1:
      return pack_blocks<TensorType::kQ4_1, kRows>(blocks, from, to);
    case TensorType::kQ5_0:
      return pack_blocks<TensorType::kQ5_0, kRows>(blocks, from, to);
    case TensorType::kQ5_1:
      return pack_blocks<TensorType::kQ5_1, kRows>(blocks, from, to);
    case TensorType::kQ8_0:
      return pack_blocks<TensorType::kQ8_0, kRows>(blocks, from, to);
    case TensorType::kQ4_K:
      return pack_blocks<TensorType::kQ4_K, kRows>(blocks, from, to);
    case TensorType::kQ5_K:
      return pack_blocks<TensorType::kQ5_K, kRows>(blocks, from, to);
    case TensorType::kQ6_K:
      return pack_blocks<TensorType::kQ6_K, kRows>(blocks, from, to);
    case TensorType::kF32:
    case TensorType::kF16:
    case TensorType::kBF16:
      break;
  }
  assert(false && "not a block format");
}

void pack_floats(std::size_t value_bytes, std::size_t columns, std::size_t rows,
                 const std::uint8_t* file, std::uint8_t* out) {
  for (std::size_t c = 0; c < columns; ++c) {
    for (std::size_t r = 0; r < rows; ++r) {
      std::memcpy(out + (c * rows + r) * value_bytes, file + (r * columns + c) * value_bytes,
                  value_bytes);
    }
  }
}

}  // namespace

void pack_group(TensorType type, std::size_t columns, std::size_t group_rows,
                std::span<const std::byte> file, std::span<std::uint8_t> out) noexcept {
  const PackedBlock packed = packed_block(type);
  const BlockShape shape = block_shape(type);
  const auto* from = reinterpret_cast<const std::uint8_t*>(file.data());
  const std::size_t blocks = padded_columns(type, columns) / packed.values;
  const std::size_t used = blocks * (packed.quant_bytes + packed.side_bytes) * group_rows;
  if (shape.values == 1) {
    const std::size_t written = columns * shape.bytes * group_rows;
    std::memset(out.data() + written, 0, out.size() - written);
    return pack_floats(shape.bytes, columns, group_rows, from, out.data());
  }
  std::memset(out.data() + used, 0, out.size() - used);
  assert(group_rows == 8 || group_rows == 16);
  if (group_rows == 8) return pack_blocks<8>(type, blocks, from, out.data());
  pack_blocks<16>(type, blocks, from, out.data());
}

}  // namespace weft::inference::cpu
