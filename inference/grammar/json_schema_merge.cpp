#include "inference/grammar/json_schema_merge.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

namespace weft::inference::grammar {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kReferencesMax = 16;  // that lead from one to the next

constexpr std::array<std::string_view, 14> kAnnotations = {
    "$schema", "$id",      "$comment", "$defs",      "definitions", "title",     "description",
    "default", "examples", "example",  "deprecated", "readOnly",    "writeOnly", "strict"};

/// Where a chain of references ends.
const Json& followed(const Json& document, const Json& schema) {
  const Json* at = &schema;
  for (std::size_t i = 0; i < kReferencesMax && at->is_object() && at->contains("$ref"); ++i) {
    const Json& pointer = (*at)["$ref"];
    if (!pointer.is_string()) break;
    const Json* next = find_reference(document, pointer.get<std::string>());
    if (next == nullptr) break;
    at = next;
  }
  return *at;
}

/// The constants of a schema, or null if it has other values too.
Json constants(const Json& schema) {
  if (schema.is_object() && schema.contains("const")) return Json::array({schema["const"]});
  if (schema.is_object() && schema.contains("enum") && schema["enum"].is_array()) {
    return schema["enum"];
  }
  return nullptr;
}

std::vector<std::string> types(const Json& schema) {
  std::vector<std::string> names;
  if (!schema.is_object()) return names;
  const auto add = [&](const Json& type) {
    if (type.is_string()) names.push_back(type.get<std::string>());
  };
  if (const Json list = constants(schema); list.is_array()) {
    for (const char* type : {"object", "array", "string", "number", "boolean", "null"}) {
      if (std::ranges::any_of(list, [&](const Json& each) { return is_of_type(each, type); })) {
        names.emplace_back(type);
      }
    }
  } else if (schema.contains("type")) {
    const Json& type = schema["type"];
    if (!type.is_array()) add(type);
    if (type.is_array()) std::ranges::for_each(type, add);
  }
  // Whole numbers are numbers.
  std::ranges::replace(names, "integer", "number");
  return names;
}

template <typename List>
bool share(const List& a, const List& b) {
  return std::ranges::any_of(
      a, [&](const auto& each) { return std::ranges::find(b, each) != b.end(); });
}

bool requires_name(const Json& schema, const std::string& name) {
  return schema.contains("required") && schema["required"].is_array() &&
         std::ranges::find(schema["required"], Json(name)) != schema["required"].end();
}

bool are_apart(const Json& document, const Json& one, const Json& other) {
  const Json& a = followed(document, one);
  const Json& b = followed(document, other);
  if (!a.is_object() || !b.is_object()) return a == Json(false) || b == Json(false);
  const Json a_values = constants(a);
  const Json b_values = constants(b);
  if (a_values.is_array() && b_values.is_array()) return !share(a_values, b_values);
  const auto a_types = types(a);
  const auto b_types = types(b);
  if (a_types.empty() || b_types.empty()) return false;
  if (!share(a_types, b_types)) return true;
  const bool both_objects = a_types == b_types && a_types == std::vector<std::string>{"object"};
  if (!both_objects || !a.contains("properties") || !b.contains("properties") ||
      !a["properties"].is_object() || !b["properties"].is_object()) {
    return false;
  }
  for (const auto& [name, schema] : a["properties"].items()) {
    if (!requires_name(a, name) || !requires_name(b, name) || !b["properties"].contains(name)) {
      continue;
    }
    const Json first = constants(followed(document, schema));
    const Json second = constants(followed(document, b["properties"][name]));
    if (first.is_array() && second.is_array() && !share(first, second)) return true;
  }
  return false;
}

/// Whether the additionalProperties of `one` speaks of properties of `other`.
bool closes_out(const Json& one, const Json& other) {
  if (!one.contains("additionalProperties") || one["additionalProperties"] == Json(true)) {
    return false;
  }
  const Json own = one.value("properties", Json::object());
  const Json others = other.value("properties", Json::object());
  if (!own.is_object() || !others.is_object()) return false;
  return std::ranges::any_of(others.items(),
                             [&](const auto& item) { return !own.contains(item.key()); });
}

}  // namespace

bool is_annotation(const std::string& key) {
  return std::ranges::find(kAnnotations, key) != kAnnotations.end();
}

bool is_of_type(const Json& value, const std::string& type) {
  if (type == "integer") {
    return value.is_number() && value.get<double>() == std::floor(value.get<double>());
  }
  if (type == "number") return value.is_number();
  return type == value.type_name();
}

const Json* find_reference(const Json& document, const std::string& pointer) {
  if (!pointer.starts_with('#')) return nullptr;
  try {
    const Json::json_pointer path(pointer.substr(1));
    return document.contains(path) ? &document.at(path) : nullptr;
  } catch (const Json::exception&) {  // no pointer
    return nullptr;
  }
}

Result<Json> merge_schemas(const Json& first, const Json& second, const std::string& where) {
  const auto says_nothing = [](const Json& schema) {
    if (!schema.is_object()) return schema == Json(true);
    return std::ranges::all_of(schema.items(),
                               [](const auto& item) { return is_annotation(item.key()); });
  };
  if (says_nothing(first)) return second;
  if (says_nothing(second)) return first;
  if (!first.is_object() || !second.is_object()) {
    if (first == Json(false) || second == Json(false)) return Json(false);
    return Error{ErrorCode::kInvalidArgument,
                 "JSON Schema, at " + where + ": a schema is an object, true or false"};
  }
  Json merged = first;
  for (const auto& [key, value] : second.items()) {
    const bool lists =
        key == "required" && value.is_array() && merged.contains(key) && merged[key].is_array();
    const bool objects =
        key == "properties" && value.is_object() && merged.contains(key) && merged[key].is_object();
    if (lists) {
      merged[key].insert(merged[key].end(), value.begin(), value.end());
    } else if (objects) {
      for (const auto& [name, schema] : value.items()) {
        WEFT_TRY(both, merge_schemas(merged[key].value(name, Json(true)), schema,
                                     where + "/properties/" + name));
        merged[key][name] = std::move(both);
      }
    } else if (!merged.contains(key) || is_annotation(key)) {
      merged[key] = value;
    } else if (merged[key] != value) {
      return Error{ErrorCode::kUnsupported,
                   "JSON Schema, at " + where + ": the keyword \"" + key +
                       "\" with two values that must both hold isn't supported"};
    }
  }
  if (closes_out(first, second) || closes_out(second, first)) {
    return Error{ErrorCode::kUnsupported,
                 "JSON Schema, at " + where +
                     ": the keyword \"additionalProperties\" with other \"properties\" beside it "
                     "isn't supported"};
  }
  return merged;
}

Result<void> check_apart(const Json& document, const Json& list, const std::string& where) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    for (std::size_t j = i + 1; j < list.size(); ++j) {
      if (are_apart(document, list[i], list[j])) continue;
      return Error{ErrorCode::kUnsupported,
                   "JSON Schema, at " + where + ": alternatives " + std::to_string(i) + " and " +
                       std::to_string(j) +
                       " of \"oneOf\" may both hold, as far as can be seen here; use \"anyOf\" if "
                       "that is no harm"};
    }
  }
  return {};
}

}  // namespace weft::inference::grammar
