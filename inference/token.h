#pragma once
// A position in a model's vocabulary.

#include <cstdint>

namespace weft::inference {

using TokenId = std::int32_t;

}  // namespace weft::inference
