#pragma once
// A position in a model's vocabulary.

#include <cstdint>

namespace weft::inference {

using TokenId = std::int32_t;

/// Stands where a row of floats was read in place of a token. Of no vocabulary.
inline constexpr TokenId kNoToken = -1;

}  // namespace weft::inference
