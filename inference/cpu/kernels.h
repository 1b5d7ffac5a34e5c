#pragma once
// What each CPU level implements: one table of functions a level, filled by kernels_<level>.cpp,
// which is the same code (*_impl.h) compiled with other instructions. A new kernel is a function in
// an *_impl.h and an entry here. All levels give the same bits.

#include <cstddef>
#include <cstdint>

#include "inference/cpu/level.h"
#include "inference/tensor_type.h"

namespace weft::inference::cpu {

/// A block of 32 or 256 activations as integers: q in [-127, 127] and x ~ scale * q.
struct QuantizedRow {
  std::int8_t* values;   // (n)
  float* scales;         // (n / block)
  float* scaled_sums;    // blocks of 32 only: (n / 32), scale * sum of the block's q
  std::int16_t* offsets; // (n / 32, 2), for blocks of 256 (n / 16, 2): minus the sum of the q whose
                         // index mod 4 is 0 or 1, then minus that of the others
  std::int16_t* sums;    // blocks of 256 only: (n / 32), the sum of 32 q
};

/// Activations of several rows as a kernel reads them; row i starts at i * (entries of one row).
struct ActivationView {
  const std::int8_t* values;
  const float* floats;
  const float* scales;
  const float* scaled_sums;
  const std::int16_t* offsets;
  const std::int16_t* sums;
  std::size_t count;    // rows
  std::size_t columns;  // of a row; for float kinds padded to a multiple of 4
};

/// Interleaved weights: groups of Kernels::group_rows rows, see matrix_layout.h.
struct PackedView {
  TensorType type;
  const std::uint8_t* groups;
  std::size_t group_bytes;  // from one group to the next
  std::size_t columns;      // padded as in ActivationView
  std::size_t rows;
};

struct Kernels {
  Level level;
  std::size_t group_rows;

  void (*quantize_32)(const float* x, std::size_t n, const QuantizedRow& out);
  void (*quantize_256)(const float* x, std::size_t n, const QuantizedRow& out);
  /// out[i] = x[i] rounded to half precision and back.
  void (*round_to_half)(const float* x, std::size_t n, float* out);
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
