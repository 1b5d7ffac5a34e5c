#pragma once
// From a tensor's rows as they lie in the file to a group of interleaved rows: matrix_layout.h.

#include <cstddef>
#include <cstdint>
#include <span>

#include "inference/tensor_type.h"

namespace weft::inference::cpu {

/// `file` holds `group_rows` rows, `out` is group_bytes() long; all of it is written.
void pack_group(TensorType type, std::size_t columns, std::size_t group_rows,
                std::span<const std::byte> file, std::span<std::uint8_t> out) noexcept;

}  // namespace weft::inference::cpu
