#pragma once
// What each CPU level implements: one table of functions a level, filled by kernels_<level>.cpp,
// which is the same code (*_impl.h) compiled with other instructions. A new kernel is a function in
// an *_impl.h and an entry here. All levels give the same bits.

#include <cstddef>
#include <cstdint>

#include "inference/cpu/level.h"
#include "inference/tensor_type.h"

namespace weft::inference::cpu {

/// Activations as a kernel reads them: see matrix_layout.h.
struct ActivationView {
  const std::uint8_t* tiles;
  std::size_t row_bytes;  // the tiles of n rows take n times this
  std::size_t count;      // rows
  std::size_t columns;    // of a row; for float kinds padded to a multiple of 4
};

/// Where one row of activations goes: its tile, how many slots that has, and which is the row's.
struct ActivationSlot {
  std::uint8_t* tile;
  std::size_t slots;
  std::size_t slot;
};

/// Interleaved weights: groups of Kernels::group_rows rows, see matrix_layout.h.
struct PackedView {
  TensorType type;
  const std::uint8_t* groups;
  std::size_t group_bytes;  // from one group to the next
  std::size_t columns;      // padded as in ActivationView
  std::size_t rows;
  bool are_7_bits;  // Q8_0 of which no quant is outside [-64, 63]
};

struct Kernels {
  Level level;
  std::size_t group_rows;
  std::size_t tile_rows;  // of activations, see matrix_layout.h

  void (*quantize_32)(const float* x, std::size_t n, const ActivationSlot& out);
  void (*quantize_256)(const float* x, std::size_t n, const ActivationSlot& out);
  /// y[i * y_stride + r] = W[r] . x_i for r in [begin, end); `begin` starts a group.
  void (*multiply)(const PackedView& weights, const ActivationView& x, std::size_t begin,
                   std::size_t end, float* y, std::size_t y_stride);
};

/// The table of a level that this build has and this CPU runs: see best_level().
const Kernels& kernels(Level level) noexcept;

extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512VnniKernels;
#endif

}  // namespace weft::inference::cpu
