#pragma once
// The product of packed weights with activations: one template for all formats and levels.
//
// The value of an output, which every level computes in just this order:
//   blocks of 32     y = fma(d * a.scale, dot, y), then with a minimum y = fma(m, a.scaled_sum, y)
//   blocks of 256    y = fma(d * a.scale, sum of scale_j * dot_j, y), then with minima
//                    y = fma(dmin * -a.scale, sum of min_j * sum_j, y)
//   floats           four sums by column mod 4, each y = fma(w, x, y); (0 + 1) + (2 + 3)
// block after block from y = 0; integer sums are exact. Neither row_impl.h nor tile_impl.h has a
// say in it: they are two ways to the same bits.

#include "inference/cpu/fetch_impl.h"
#include "inference/cpu/float_impl.h"
#include "inference/cpu/formats_impl.h"
#include "inference/cpu/kernels.h"
#include "inference/cpu/matrix_layout.h"
#include "inference/cpu/row_impl.h"
#include "inference/cpu/tile_impl.h"

namespace weft::inference::cpu {
namespace {

using RowFunction = void(const PackedView& weights, const std::uint8_t* x, std::size_t begin,
                         std::size_t end, float* y);
using UnpackFunction = void(const std::uint8_t* from, std::size_t blocks, std::uint8_t* to);
using TileFunction = void(const Tile& work);

/// How a format of integers is multiplied.
struct Product {
  RowFunction* row;
  UnpackFunction* unpack;
  BySlots<TileFunction> tiles;
  std::size_t block_values;
  std::size_t weight_bytes;      // of a packed block of a group
  std::size_t unpacked_bytes;    // of an unpacked one
  std::size_t activation_bytes;  // of a block of a slot
};

template <typename Row, typename Unpack, typename Activation>
constexpr Product kProductOf = {
    .row = &multiply_row<Row>,
    .unpack = &Unpack::unpack,
    .tiles = by_slots<typename Unpack::Product, TileFunction>(),
    .block_values = Activation::kValues,
    .weight_bytes = Unpack::kBlockBytes,
    .unpacked_bytes = Unpack::Product::kBlockVectors* kVector,
    .activation_bytes = Activation::kBytes,
};

template <typename Format>
constexpr const Product* of_32() {
  return &kProductOf<RowOf32<Format>, UnpackOf32<Format>, Block32>;
}
template <typename Format>
constexpr const Product* of_256() {
  return &kProductOf<RowOf256<Format>, UnpackOf256<Format>, Block256>;
}

/// Null for the float types.
inline const Product* product_of(const PackedView& weights) {
  switch (weights.type) {
    case TensorType::kF32:
    case TensorType::kF16:
    case TensorType::kBF16:
      return nullptr;
    case TensorType::kQ4_0:
      return of_32<Q4_0>();
    case TensorType::kQ4_1:
      return of_32<Q4_1>();
    case TensorType::kQ5_0:
      return of_32<Q5_0>();
    case TensorType::kQ5_1:
      return of_32<Q5_1>();
    case TensorType::kQ8_0:
      return weights.are_7_bits ? of_32<Q8_0Of7Bits>() : of_32<Q8_0>();
    case TensorType::kQ4_K:
      return of_256<Q4_K>();
    case TensorType::kQ5_K:
      return of_256<Q5_K>();
    case TensorType::kQ6_K:
      return of_256<Q6_K>();
  }
  return nullptr;
}

// What a core's second-level cache holds: the weights that are unpacked at a time, and the
// activations that meet them.
#if WEFT_SIMD_LEVEL == 2
constexpr std::size_t kPanelBytes = 512 * 1024;
#else
constexpr std::size_t kPanelBytes = 256 * 1024;
#endif
constexpr std::size_t kUnpackedBytesMax = kPanelBytes / 4;
static_assert(kUnpackedBytesMax >= kGroupsAtOnce * kRunColumns / 32 * 10 * kVector,
              "the largest format: weights, d and m");

// Activation rows that stay in the first-level cache while the unpacked weights pass by. With
// AVX-512 the second-level cache delivers those fast enough for one tile; the fewer rows, the fewer
// pages of y at a time.
constexpr std::size_t kBatchRows = (WEFT_SIMD_LEVEL == 2 ? 1 : 4) * kTileRows;

/// Some activation rows and columns, as a part of a product.
struct Part {
  std::size_t first_row;
  std::size_t last_row;
  std::size_t first_column;
  std::size_t columns;
};

/// Some weight rows.
struct Stretch {
  std::size_t begin;
  std::size_t end;
};

/// What `part` needs of the weights `next`, as shares for its tiles with those of `now`.
inline FetchAhead fetch_beside(const Product& product, const PackedView& weights, const Part& part,
                               Stretch now, Stretch next) {
  const auto parts_of = [](std::size_t n, std::size_t size) { return (n + size - 1) / size; };
  const std::size_t rows = part.last_row - part.first_row;
  const std::size_t first_block = part.first_column / product.block_values;
  const std::size_t blocks = part.columns / product.block_values;
  const std::size_t groups = parts_of(next.end - next.begin, kGroupRows);
  return {{.first = weights.groups + next.begin / kGroupRows * weights.group_bytes +
                    first_block * product.weight_bytes,
           .bytes = blocks * product.weight_bytes,
           .stride = weights.group_bytes,
           .count = rows < kTileRows ? 0 : groups},
          parts_of(now.end - now.begin, kGroupsAtOnce * kGroupRows) * parts_of(rows, kTileRows),
          blocks};
}

// All weight rows with one part of the activations. Neighbouring groups are unpacked together so
// that a row of y is visited for a longer stretch: it has a page of its own.
inline void multiply_part(const Product& product, const PackedView& weights,
                          const ActivationView& x, const Part& part, std::size_t begin,
                          std::size_t end, float* y, std::size_t y_stride) {
  alignas(64) std::uint8_t unpacked[kUnpackedBytesMax];
  const std::size_t first_block = part.first_column / product.block_values;
  const std::size_t blocks = part.columns / product.block_values;
  const std::size_t group_bytes = blocks * product.unpacked_bytes;
  const std::size_t fitting = kUnpackedBytesMax / (group_bytes * kGroupsAtOnce);
  const std::size_t step = kGroupsAtOnce * kGroupRows;
  const std::size_t stretch = step * (fitting < kStepsMax ? fitting : kStepsMax);
  for (std::size_t row = begin; row < end; row += stretch) {
    const std::size_t stop = end - row < stretch ? end : row + stretch;
    std::uint8_t* to = unpacked;
    for (std::size_t r = row; r < stop; r += kGroupRows, to += group_bytes) {
      const std::uint8_t* group = weights.groups + r / kGroupRows * weights.group_bytes;
      product.unpack(group + first_block * product.weight_bytes, blocks, to);
    }
    const std::size_t next_stop = end - stop < stretch ? end : stop + stretch;
    FetchAhead ahead = fetch_beside(product, weights, part, {row, stop}, {stop, next_stop});
    for (std::size_t batch = part.first_row; batch < part.last_row; batch += kBatchRows) {
      const std::size_t left = part.last_row - batch;
      const std::size_t last = left < kBatchRows ? part.last_row : batch + kBatchRows;
      const std::uint8_t* w = unpacked;
      for (std::size_t r = row; r < stop; r += step, w += kGroupsAtOnce * group_bytes) {
        for (std::size_t first = batch; first < last; first += kTileRows) {
          const std::size_t slots = x.count - first < kTileRows ? x.count - first : kTileRows;
          product.tiles.of[slots - 1](
              {.weights = w,
               // Where no second group is left, the first stands in: its results aren't stored.
               .group_bytes = stop - r > kGroupRows ? group_bytes : 0,
               .x = x.tiles + first * x.row_bytes + first_block * product.activation_bytes * slots,
               .blocks = blocks,
               .y = y + first * y_stride + r,
               .y_stride = y_stride,
               .rows = stop - r < step ? stop - r : step,
               .go_on = part.first_column != 0,
               .ahead = ahead.next()});
        }
      }
    }
  }
}

void multiply(const PackedView& weights, const ActivationView& x, std::size_t begin,
              std::size_t end, float* y, std::size_t y_stride) {
  const Product* product = product_of(weights);
  if (product == nullptr) return multiply_floats(weights, x, begin, end, y, y_stride);
  if (x.count == 1) return product->row(weights, x.tiles, begin, end, y);
  const std::size_t run = x.columns < kRunColumns ? x.columns : kRunColumns;
  const std::size_t run_bytes = run / product->block_values * product->activation_bytes;
  const std::size_t fitting = kPanelBytes / (run_bytes * kTileRows);
  const std::size_t panel = (fitting < 1 ? 1 : fitting) * kTileRows;
  for (std::size_t row = 0; row < x.count; row += panel) {
    const std::size_t last = x.count - row < panel ? x.count : row + panel;
    for (std::size_t column = 0; column < x.columns; column += run) {
      const std::size_t columns = x.columns - column < run ? x.columns - column : run;
      multiply_part(*product, weights, x, {row, last, column, columns}, begin, end, y, y_stride);
    }
  }
}

}  // namespace
}  // namespace weft::inference::cpu
