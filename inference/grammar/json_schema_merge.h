#pragma once
// What JSON Schema says with several schemas at once: keywords that hold together, alternatives
// that can't, and references. Private to inference.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace weft::inference::grammar {

/// Whether a keyword says nothing about which values are valid.
bool is_annotation(const std::string& key);

/// Whether `value` is of one of JSON Schema's types.
bool is_of_type(const nlohmann::ordered_json& value, const std::string& type);

/// What "$ref": `pointer` means in `document`; null if nothing.
const nlohmann::ordered_json* find_reference(const nlohmann::ordered_json& document,
                                             const std::string& pointer);

/// A schema that holds where both do. Errors: kUnsupported names the keyword that clashes, and
/// `where` the second one stands.
Result<nlohmann::ordered_json> merge_schemas(const nlohmann::ordered_json& first,
                                             const nlohmann::ordered_json& second,
                                             const std::string& where);

/// Errors: kUnsupported unless no value can hold for two of the schemas of `list`, which their
/// types, constants or the constants of a property that both require show.
Result<void> check_apart(const nlohmann::ordered_json& document, const nlohmann::ordered_json& list,
                         const std::string& where);

}  // namespace weft::inference::grammar
