#include "inference/grammar/json_schema_scalars.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace weft::inference::grammar {

using Json = nlohmann::ordered_json;

Error wrong(const std::string& where, const std::string& what) {
  return {ErrorCode::kInvalidArgument, "JSON Schema, at " + where + ": " + what};
}

Error unsupported(const std::string& where, const std::string& what) {
  return {ErrorCode::kUnsupported, "JSON Schema, at " + where + ": " + what};
}

Result<std::uint32_t> count_of(const Json& schema, const char* key, std::uint32_t fallback,
                               const SchemaPlace& place) {
  if (!schema.contains(key)) return fallback;
  const Json& value = schema[key];
  const double number = value.is_number() ? value.get<double>() : -1;
  if (number < 0 || number != std::floor(number)) {
    return wrong(place.where, "\"" + std::string(key) + "\" is a whole number, at least 0");
  }
  if (number > place.limits.repeats) {
    return unsupported(place.where, "\"" + std::string(key) + "\" above " +
                                        std::to_string(place.limits.repeats) + " isn't supported");
  }
  return static_cast<std::uint32_t>(number);
}

Result<NodeId> string_of(const Json& schema, const SchemaPlace& place, Grammar& grammar,
                         JsonText& json) {
  const bool counts = schema.contains("minLength") || schema.contains("maxLength");
  const auto sole = [&](const char* key) -> Result<std::string> {
    if (!schema[key].is_string())
      return wrong(place.where, "\"" + std::string(key) + "\" is a string");
    if (counts || (schema.contains("pattern") && schema.contains("format"))) {
      return unsupported(place.where,
                         "the keyword \"" + std::string(key) +
                             "\" isn't supported beside minLength, maxLength, pattern or "
                             "format");
    }
    return schema[key].get<std::string>();
  };
  if (schema.contains("pattern")) {
    WEFT_TRY(pattern, sole("pattern"));
    auto node = json.string_like(pattern, place.limits);
    if (!node) {
      return std::move(node).error().with_context("JSON Schema, at " + place.where + "/pattern");
    }
    return node;
  }
  if (schema.contains("format")) {
    WEFT_TRY(format, sole("format"));
    const auto node = json.string_of_format(format);
    if (node) return *node;
    return unsupported(place.where, "the \"format\" \"" + format +
                                        "\" isn't supported; date, time, date-time, uuid, email, "
                                        "hostname, ipv4 and uri are");
  }
  WEFT_TRY(min, count_of(schema, "minLength", 0, place));
  WEFT_TRY(max, count_of(schema, "maxLength", kUnbounded, place));
  if (min > max) return grammar.choice({});
  return json.string(min, max);
}

Result<NodeId> number_of(const Json& schema, bool whole, const SchemaPlace& place, JsonText& json) {
  if (schema.contains("multipleOf") && !(whole && schema["multipleOf"] == Json(1))) {
    return unsupported(place.where, "the keyword \"multipleOf\" isn't supported");
  }
  JsonText::Bounds bounds;
  bool is_bounded = false;
  const auto read = [&](const char* key, bool is_min, bool exclusive) -> Result<void> {
    if (!schema.contains(key)) return {};
    if (!schema[key].is_number())
      return wrong(place.where, "\"" + std::string(key) + "\" is a number");
    const auto value = schema[key].get<double>();
    if (std::abs(value) > static_cast<double>(JsonText::kIntegerMax)) {
      return unsupported(place.where, "\"" + std::string(key) + "\" has more than 18 digits");
    }
    double bound = is_min ? std::ceil(value) : std::floor(value);
    if (bound != value) {
      if (!whole) {
        return unsupported(place.where, "\"" + std::string(key) +
                                            "\" must be whole for a number that "
                                            "needn't be; other bounds aren't supported");
      }
      exclusive = false;  // the bound itself is no whole number
    }
    // Beyond 2^53 a whole number isn't exact as a double.
    auto integer = schema[key].is_number_integer() ? schema[key].get<std::int64_t>()
                                                   : static_cast<std::int64_t>(bound);
    if (whole && exclusive) integer += is_min ? 1 : -1;
    const bool open = !whole && exclusive;
    is_bounded = true;
    if (is_min && integer >= bounds.min) {
      bounds.above_min = open || (integer == bounds.min && bounds.above_min);
      bounds.min = integer;
    } else if (!is_min && integer <= bounds.max) {
      bounds.below_max = open || (integer == bounds.max && bounds.below_max);
      bounds.max = integer;
    }
    return {};
  };
  WEFT_TRY_VOID(read("minimum", true, false));
  WEFT_TRY_VOID(read("exclusiveMinimum", true, true));
  WEFT_TRY_VOID(read("maximum", false, false));
  WEFT_TRY_VOID(read("exclusiveMaximum", false, true));
  if (whole) return json.integer(bounds.min, bounds.max);
  return is_bounded ? json.number(bounds) : json.number();
}

}  // namespace weft::inference::grammar
