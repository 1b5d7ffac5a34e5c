#pragma once
// How packed weights lie in memory. G = Kernels::group_rows rows form a group, which holds block
// after block the quants and the numbers beside them, and is padded to 64 bytes: one stream of
// memory for a product with one row. A "vector" is 4 bytes of each row: byte 4 r + j belongs to row
// r.
//
//   format      quants of a block, in vectors                         beside them, in G-element
//   rows Q4_0 Q4_1   4: the file's dwords: values 4 i + j low, 16 + .. high  half d (Q4_1: half m)
//   Q5_0 Q5_1   4 likewise + 1: bit i of byte j is value 4 i + j's 5th  half d (Q5_1: half m)
//   Q8_0        8: value + 128                                          half d
//   Q4_K        32: the file's dwords       int8 pairs: 4 of scales, 4 of minima; half d, half dmin
//   Q5_K        32 + 8: the file's qh       likewise
//   Q6_K        32: ql + 16: qh             int8 pairs: 8 of scales; half d
//   F32         1 a column                  F16, BF16: half a vector a column; columns padded to 4
//
// A pair p of a row is the numbers of sub-blocks 2 p and 2 p + 1. Missing rows are zeros.

#include <cstddef>

#include "inference/tensor_type.h"

namespace weft::inference::cpu {

struct PackedBlock {
  std::size_t values;       // columns
  std::size_t quant_bytes;  // per row
  std::size_t side_bytes;   // per row
};

constexpr PackedBlock packed_block(TensorType type) noexcept {
  switch (type) {
    case TensorType::kF32:
      return {1, 4, 0};
    case TensorType::kF16:
    case TensorType::kBF16:
      return {1, 2, 0};
    case TensorType::kQ4_0:
      return {32, 16, 2};
    case TensorType::kQ4_1:
      return {32, 16, 4};
    case TensorType::kQ5_0:
      return {32, 20, 2};
    case TensorType::kQ5_1:
      return {32, 20, 4};
    case TensorType::kQ8_0:
      return {32, 32, 2};
    case TensorType::kQ4_K:
      return {256, 128, 20};
    case TensorType::kQ5_K:
      return {256, 160, 20};
    case TensorType::kQ6_K:
      return {256, 192, 18};
  }
  return {1, 4, 0};
}

/// Columns as packed: whole fours for the float types.
constexpr std::size_t padded_columns(TensorType type, std::size_t columns) noexcept {
  return packed_block(type).values == 1 ? (columns + 3) / 4 * 4 : columns;
}

constexpr std::size_t group_bytes(TensorType type, std::size_t columns,
                                  std::size_t group_rows) noexcept {
  const PackedBlock block = packed_block(type);
  const std::size_t blocks = padded_columns(type, columns) / block.values;
  return (blocks * (block.quant_bytes + block.side_bytes) * group_rows + 63) / 64 * 64;
}

// Activations lie in tiles of Kernels::tile_rows rows, the last tile in as many as are left: n
// slots. Tiles follow each other, and a tile holds its blocks one after the other. In a block come
// first all slots' q, then all slots' scales, and so on:
//
// - kQ8Block32: 32 int8 q, a float scale, a float scale * sum(q), and 3 starts, for the zeros 8, 16
//   and 128;
// - kQ8Block256: 256 int8 q, a float scale, 16 starts of 16 q each, for the zero 32, and 8 int16
//   sums of 32 q each;
// - the float kinds: a float; a block is a column.
//
// A start is the 4 bytes from which the level starts a dot product with q, so that the weights
// count from their zero: see dot_start().
struct Block32 {
  static constexpr std::size_t kValues = 32;
  static constexpr std::size_t kScale = 32;  // where the parts start in a block of one slot
  static constexpr std::size_t kScaledSum = 36;
  static constexpr std::size_t kStart8 = 40;
  static constexpr std::size_t kStart16 = 44;
  static constexpr std::size_t kStart128 = 48;
  static constexpr std::size_t kBytes = 52;
};

struct Block256 {
  static constexpr std::size_t kValues = 256;
  static constexpr std::size_t kScale = 256;
  static constexpr std::size_t kStarts = 260;
  static constexpr std::size_t kSums = 324;
  static constexpr std::size_t kBytes = 340;
};

}  // namespace weft::inference::cpu
