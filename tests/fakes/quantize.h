#pragma once
// Floats to the blocks of any tensor type, each value to the nearest step of its block's range.
// Plain: no search for better scales.

#include <cstddef>
#include <span>
#include <vector>

#include "inference/tensor_type.h"

namespace weft::fakes {

/// `values` is whole blocks of `type`, all finite.
std::vector<std::byte> quantize(inference::TensorType type, std::span<const float> values);

}  // namespace weft::fakes
