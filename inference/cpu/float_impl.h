#pragma once
// The product of float weights with activations. The order of sums is that of multiply_impl.h.

#include "inference/cpu/formats_impl.h"
#include "inference/cpu/kernels.h"
#include "inference/cpu/matrix_layout.h"

namespace weft::inference::cpu {
namespace {

template <typename Format>
struct OfFloats {
  template <int kSlots>
  static void tile(const std::uint8_t* group, const std::uint8_t* x, std::size_t columns, float* y,
                   std::size_t y_stride) {
    Floats sums[kSlots][4];
    for (auto& row : sums) {
      for (auto& sum : row) sum = zero_floats();
    }
    for (std::size_t column = 0; column < columns; column += 4) {
      WEFT_UNROLL
      for (int j = 0; j < 4; ++j) {
        const Floats weights = Format::column(group);
        WEFT_UNROLL
        for (int t = 0; t < kSlots; ++t) {
          sums[t][j] = fma(weights, broadcast(load_float(x + 4 * t)), sums[t][j]);
        }
        group += Format::kBytes * kGroupRows;
        x += 4 * kSlots;
      }
    }
    for (int t = 0; t < kSlots; ++t) {
      store(y + static_cast<std::size_t>(t) * y_stride,
            add(add(sums[t][0], sums[t][1]), add(sums[t][2], sums[t][3])));
    }
  }
};

using FloatTile = void(const std::uint8_t* group, const std::uint8_t* x, std::size_t columns,
                       float* y, std::size_t y_stride);

template <typename Format>
constexpr BySlots<FloatTile> kFloatTiles = by_slots<OfFloats<Format>, FloatTile>();

inline const BySlots<FloatTile>& float_tiles(TensorType type) {
  if (type == TensorType::kF16) return kFloatTiles<F16>;
  return type == TensorType::kBF16 ? kFloatTiles<BF16> : kFloatTiles<F32>;
}

// One group with one tile; a group that `rows` cuts short goes through a buffer.
inline void multiply_float_tile(const BySlots<FloatTile>& tiles, const std::uint8_t* group,
                                const ActivationView& x, std::size_t tile, std::size_t rows,
                                float* y, std::size_t y_stride) {
  const std::size_t first = tile * kTileRows;
  const std::size_t slots = x.count - first < kTileRows ? x.count - first : kTileRows;
  FloatTile* function = tiles.of[slots - 1];
  const std::uint8_t* from = x.tiles + first * x.row_bytes;
  float* to = y + first * y_stride;
  if (rows == kGroupRows) return function(group, from, x.columns, to, y_stride);
  float buffer[kTileRows * kGroupRows];
  function(group, from, x.columns, buffer, kGroupRows);
  for (std::size_t t = 0; t < slots; ++t) {
    for (std::size_t r = 0; r < rows; ++r) to[t * y_stride + r] = buffer[t * kGroupRows + r];
  }
}

// Activations that stay in half of a common L2 cache while all weights pass by.
constexpr std::size_t kFloatPanelBytes = 256 * 1024;

inline void multiply_floats(const PackedView& weights, const ActivationView& x, std::size_t begin,
                            std::size_t end, float* y, std::size_t y_stride) {
  const BySlots<FloatTile>& functions = float_tiles(weights.type);
  const std::size_t tiles = (x.count + kTileRows - 1) / kTileRows;
  const std::size_t fitting = kFloatPanelBytes / (x.row_bytes * kTileRows);
  const std::size_t panel = fitting < 1 ? 1 : fitting;
  for (std::size_t first = 0; first < tiles; first += panel) {
    const std::size_t last = first + panel < tiles ? first + panel : tiles;
    for (std::size_t row = begin; row < end; row += kGroupRows) {
      const std::uint8_t* group = weights.groups + row / kGroupRows * weights.group_bytes;
      const std::size_t rows = end - row < kGroupRows ? end - row : kGroupRows;
      for (std::size_t tile = first; tile < last; ++tile) {
        multiply_float_tile(functions, group, x, tile, rows, y + row, y_stride);
      }
    }
  }
}

}  // namespace
}  // namespace weft::inference::cpu
