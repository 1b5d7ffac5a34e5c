#include "tools/schema.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/nearest.h"
#include "tools/json_text.h"

namespace weft::tools {
namespace {

using Json = nlohmann::json;

constexpr std::array kTypes = {"object", "array", "string", "integer", "number", "boolean", "null"};
constexpr std::array kBounds = {"minimum",   "maximum",  "minLength",
                                "maxLength", "minItems", "maxItems"};
constexpr std::array kNotes = {"title",    "description", "default",
                               "examples", "$schema",     "$comment"};

Error wrong(const std::string& where, const std::string& why) {
  return Error{ErrorCode::kInvalidArgument, (where.empty() ? "" : where + ": ") + why};
}

template <typename Names>
bool has(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_of(const Json& value, std::string_view type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "number") return value.is_number();
  // 1.0 is an integer, by the standard.
  return value.is_number_integer() ||
         (value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>());
}

/// a < b, of numbers. The library compares an unsigned number beyond 2^63 as a negative one.
bool less(const Json& a, const Json& b) {
  const auto is_huge = [](const Json& j) {
    return j.is_number_unsigned() && j.get<std::uint64_t>() > std::uint64_t{INT64_MAX};
  };
  if (!a.is_number_integer() || !b.is_number_integer()) return a.get<double>() < b.get<double>();
  if (is_huge(a) && is_huge(b)) return a.get<std::uint64_t>() < b.get<std::uint64_t>();
  if (is_huge(a) || is_huge(b)) return is_huge(b);
  return a.get<std::int64_t>() < b.get<std::int64_t>();
}

bool equal(const Json& a, const Json& b) {
  if (a.is_number() && b.is_number()) return !less(a, b) && !less(b, a);
  return a == b;
}

std::vector<std::string> types_of(const Json& type) {
  if (type.is_string()) return {type.get<std::string>()};
  return type.get<std::vector<std::string>>();
}

// ---- the schema itself ----

Result<void> check_schema(const Json& schema, const std::string& where);

Result<void> check_type(const Json& type, const std::string& where) {
  const bool is_list = type.is_array() && !type.empty();
  if (!type.is_string() && !is_list) return wrong(where, "a name or a list of names is expected");
  for (const Json& name : type.is_string() ? Json::array({type}) : type) {
    const std::vector<std::string> known(kTypes.begin(), kTypes.end());
    if (!name.is_string() || !has(kTypes, name.get<std::string>())) {
      return wrong(where,
                   "there is no type " + shown(name) +
                       (name.is_string() ? did_you_mean(name.get<std::string>(), known) : ""));
    }
  }
  return {};
}

Result<void> check_properties(const Json& properties, const std::string& where) {
  if (!properties.is_object()) return wrong(where, "an object of schemas is expected");
  for (const auto& [name, schema] : properties.items()) {
    WEFT_TRY_VOID(check_schema(schema, where + "/" + name));
  }
  return {};
}

Result<void> check_required(const Json& required, const Json& schema, const std::string& where) {
  if (!required.is_array()) return wrong(where, "a list of names is expected");
  for (const Json& name : required) {
    if (!name.is_string()) return wrong(where, "a list of names is expected");
    // Allowed by the standard, but nobody could give such an argument where none else is allowed.
    if (!schema.contains("properties") || !schema["properties"].contains(name.get<std::string>())) {
      return wrong(where, shown(name) + " isn't among the properties");
    }
  }
  return {};
}

Result<void> check_bound(std::string_view key, const Json& bound, const std::string& where) {
  const bool counts = key != "minimum" && key != "maximum";
  if (counts ? !bound.is_number_unsigned() : !bound.is_number()) {
    return wrong(where, counts ? "a count is expected" : "a number is expected");
  }
  return {};
}

Result<void> check_keyword(const std::string& key, const Json& schema, const std::string& where) {
  const Json& value = schema[key];
  if (key == "type") return check_type(value, where);
  if (key == "properties") return check_properties(value, where);
  if (key == "items") return check_schema(value, where);
  if (key == "required") return check_required(value, schema, where);
  if (key == "enum") {
    if (value.is_array() && !value.empty()) return {};
    return wrong(where, "a list of values is expected");
  }
  if (key == "additionalProperties") {
    if (value.is_boolean()) return {};
    return Error{ErrorCode::kUnsupported, where + ": only true and false are supported"};
  }
  if (has(kBounds, key)) return check_bound(key, value, where);
  if (has(kNotes, key)) return {};
  return Error{ErrorCode::kUnsupported,
               where + ": the keyword isn't supported (see tools/schema.h for those that are)"};
}

Result<void> check_schema(const Json& schema, const std::string& where) {
  if (!schema.is_object()) return wrong(where, "a schema is an object, not " + shown(schema));
  for (const auto& [key, value] : schema.items()) {
    WEFT_TRY_VOID(check_keyword(key, schema, where + "/" + key));
  }
  return {};
}

// ---- a value ----

Result<void> check_value(const Json& schema, const Json& value, const std::string& where);

std::string name_of(const std::string& where) { return where.empty() ? "the value" : where; }

Result<void> check_bounds(const Json& schema, const Json& value, const std::string& where) {
  const auto within = [&](const char* least, const char* most, const auto& size,
                          const char* unit) -> Result<void> {
    if (schema.contains(least) && less(Json(size), schema[least])) {
      return wrong("", name_of(where) + " has to be at least " + shown(schema[least]) + unit +
                           ", not " + shown(Json(size)));
    }
    if (schema.contains(most) && less(schema[most], Json(size))) {
      return wrong("", name_of(where) + " has to be at most " + shown(schema[most]) + unit +
                           ", not " + shown(Json(size)));
    }
    return {};
  };
  if (value.is_number()) return within("minimum", "maximum", value, "");
  if (value.is_array()) return within("minItems", "maxItems", value.size(), " items");
  if (!value.is_string()) return {};
  const auto& text = value.get_ref<const std::string&>();
  // Characters, not bytes: those that begin one.
  const auto characters =
      static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char byte) {
        return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
      }));
  return within("minLength", "maxLength", characters, " characters");
}

Result<void> check_object(const Json& schema, const Json& value, const std::string& where) {
  if (schema.contains("required")) {
    for (const Json& name : schema["required"]) {
      if (!value.contains(name.get<std::string>())) {
        return wrong("", name_of(where) + " has no " + shown(name) + ", which is required");
      }
    }
  }
  const Json none = Json::object();
  const Json& properties = schema.contains("properties") ? schema["properties"] : none;
  const bool is_open = schema.value("additionalProperties", true);
  for (const auto& [name, member] : value.items()) {
    if (properties.contains(name)) {
      WEFT_TRY_VOID(check_value(properties[name], member, where + "/" + name));
    } else if (!is_open) {
      std::vector<std::string> known;
      for (const auto& [key, unused] : properties.items()) known.push_back(key);
      return wrong(
          "", name_of(where) + " may have no " + shown(Json(name)) + did_you_mean(name, known));
    }
  }
  return {};
}

Result<void> check_value(const Json& schema, const Json& value, const std::string& where) {
  if (schema.contains("type")) {
    const auto types = types_of(schema["type"]);
    if (std::none_of(types.begin(), types.end(),
                     [&](const std::string& type) { return is_of(value, type); })) {
      std::string wanted;
      for (const std::string& type : types) wanted += (wanted.empty() ? "" : " or ") + type;
      return wrong("", name_of(where) + " has to be of type " + wanted + ", not " + shown(value));
    }
  }
  if (schema.contains("enum") &&
      std::none_of(schema["enum"].begin(), schema["enum"].end(),
                   [&](const Json& each) { return equal(each, value); })) {
    return wrong("", name_of(where) + " has to be one of " + shown(schema["enum"], 400) + ", not " +
                         shown(value));
  }
  WEFT_TRY_VOID(check_bounds(schema, value, where));
  if (value.is_object()) return check_object(schema, value, where);
  if (value.is_array() && schema.contains("items")) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      WEFT_TRY_VOID(check_value(schema["items"], value[i], where + "/" + std::to_string(i)));
    }
  }
  return {};
}

}  // namespace

Schema::Schema() : json_(std::make_shared<const Json>(Json::object())) {}

Result<Schema> Schema::parse(const Json& json) {
  const auto checked = check_schema(json, "");
  if (!checked) return checked.error().with_context("schema");
  return Schema(std::make_shared<const Json>(json));
}

Result<void> Schema::check(const Json& value) const { return check_value(*json_, value, ""); }

}  // namespace weft::tools
