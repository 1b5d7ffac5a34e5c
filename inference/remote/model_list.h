#pragma once
// The answer of GET models.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::inference {

/// Errors: kCorrupt for what is no list of models.
Result<std::vector<std::string>> read_models(std::string_view body);

}  // namespace weft::inference
