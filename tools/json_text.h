#pragma once
// JSON from someone who isn't trusted: a program, a model, a file.

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::tools {

/// Values inside one another, at most: what copies and compares JSON recurses.
inline constexpr std::size_t kJsonDepthMax = 64;

/// Errors: kInvalidArgument says where it stops being JSON (byte from 1), that an object has a key
/// twice, or that there are more than `depth_max` values inside one another.
Result<nlohmann::json> parse_json(std::string_view text, std::size_t depth_max = kJsonDepthMax);

/// At most `bytes_max` of it, for messages; broken UTF-8 becomes U+FFFD.
std::string shown(const nlohmann::json& json, std::size_t bytes_max = 80);

}  // namespace weft::tools
