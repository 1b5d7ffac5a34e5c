#pragma once
// Rows of activations on their way into matrices of several kinds. Private to inference/cpu.

#include <array>
#include <cstddef>
#include <vector>

#include "inference/cpu/adapter.h"
#include "inference/cpu/level.h"
#include "inference/cpu/matrix.h"

namespace weft::inference::cpu {

/// Of what `matrix` is multiplied with, in a set of kinds.
inline unsigned kind_bit(const Matrix& matrix) noexcept {
  return 1U << static_cast<unsigned>(activation_kind(matrix.type()));
}

/// Rows of activations as the matrices that read them want them: one form a kind of matrix, and
/// the rows of each adapter apart.
class QuantisedInput {
 public:
  /// `kinds` is a set of bits, as kind_bit(). `adapted` is borrowed until the next call.
  void prepare(Level level, unsigned kinds, std::size_t rows, std::size_t columns,
               const AdapterRows& adapted);
  void set_row(std::size_t row, const float* x) noexcept;
  const Activations& of(ActivationKind kind) const noexcept {
    return forms_[static_cast<std::size_t>(kind)];
  }
  /// In float, the rows of a group of `adapted`.
  const Activations& of_group(std::size_t group) const noexcept { return adapted_forms_[group]; }

 private:
  unsigned kinds_ = 0;
  const AdapterRows* adapted_ = nullptr;
  std::vector<Activations> adapted_forms_;
  std::array<Activations, kActivationKinds> forms_;
};

}  // namespace weft::inference::cpu
