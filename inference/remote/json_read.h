#pragma once
// Reading JSON that somebody else wrote: what is missing or of another type is absent, nothing
// throws. Private to the codecs.

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

namespace weft::inference {

/// The member, unless it is missing or null; null too if `json` is no object.
const nlohmann::json* member(const nlohmann::json& json, const char* key);

/// Empty unless it is a text.
std::string text_member(const nlohmann::json& json, const char* key);

/// A number that counts something: whole, from 0 to 2^53.
std::optional<std::size_t> count_member(const nlohmann::json& json, const char* key);

}  // namespace weft::inference
