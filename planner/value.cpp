#include "planner/value.h"

#include <nlohmann/json.hpp>

namespace weft::planner {
namespace {

Error unexpected(const char* wanted, const nlohmann::json& json) {
  constexpr std::size_t kShown = 60;
  if (json.is_structured() && !json.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string("a value of type ") + wanted + " can't be an " + json.type_name()};
  }
  return Error{
      ErrorCode::kInvalidArgument,
      std::string("a value of type ") + wanted + " can't be " +
          json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).substr(0, kShown)};
}

}  // namespace

void Codec<bool>::to_json(nlohmann::json& json, const bool& value) { json = value; }
Result<bool> Codec<bool>::from_json(const nlohmann::json& json) {
  if (!json.is_boolean()) return unexpected(kName, json);
  return json.get<bool>();
}

void Codec<std::int64_t>::to_json(nlohmann::json& json, const std::int64_t& value) { json = value; }
Result<std::int64_t> Codec<std::int64_t>::from_json(const nlohmann::json& json) {
  const bool fits =
      json.is_number_integer() &&
      (!json.is_number_unsigned() || json.get<std::uint64_t>() <= std::uint64_t{INT64_MAX});
  if (!fits) return unexpected(kName, json);
  return json.get<std::int64_t>();
}

void Codec<double>::to_json(nlohmann::json& json, const double& value) { json = value; }
Result<double> Codec<double>::from_json(const nlohmann::json& json) {
  if (!json.is_number()) return unexpected(kName, json);
  return json.get<double>();
}

void Codec<std::string>::to_json(nlohmann::json& json, const std::string& value) { json = value; }
Result<std::string> Codec<std::string>::from_json(const nlohmann::json& json) {
  if (!json.is_string()) return unexpected(kName, json);
  return json.get<std::string>();
}

nlohmann::json to_json(const Value& value) {
  if (!value) return nullptr;
  const Type& type = *value.type();
  nlohmann::json json;
  if (type.kind == Type::Kind::kScalar) {
    type.to_json(value, json);
    return json;
  }
  const Parts parts = type.split(value);
  nlohmann::json values = nlohmann::json::array();
  for (std::size_t i = 0; i < parts.values.size(); ++i) {
    nlohmann::json item = to_json(parts.values[i]);
    if (type.kind == Type::Kind::kPartial) item = {parts.indices[i], std::move(item)};
    values.push_back(std::move(item));
  }
  if (type.kind == Type::Kind::kList) return values;
  json = {{"values", std::move(values)}, {"missing", nlohmann::json::array()}};
  for (const Missing& missing : parts.missing) {
    json["missing"].push_back({missing.index, to_string(missing.code), missing.message});
  }
  return json;
}

namespace {

bool is_tuple(const nlohmann::json& json, std::size_t size) {
  return json.is_array() && json.size() == size && json[0].is_number_integer();
}

Result<Value> partial_from_json(const Type& type, const nlohmann::json& json) {
  const bool is_whole = json.is_object() && json.size() == 2 && json.contains("values") &&
                        json.contains("missing") && json["values"].is_array() &&
                        json["missing"].is_array();
  if (!is_whole) return unexpected(type.name.c_str(), json);
  Parts parts;
  for (const nlohmann::json& entry : json["values"]) {
    if (!is_tuple(entry, 2)) return unexpected("[index, value]", entry);
    WEFT_TRY(value, from_json(*type.element, entry[1]));
    parts.indices.push_back(entry[0].get<std::int64_t>());
    parts.values.push_back(std::move(value));
  }
  for (const nlohmann::json& entry : json["missing"]) {
    if (!is_tuple(entry, 3) || !entry[1].is_string() || !entry[2].is_string()) {
      return unexpected("[index, code, message]", entry);
    }
    const auto code = error_code_named(entry[1].get_ref<const std::string&>());
    if (!code) return unexpected("error code", entry[1]);
    parts.missing.push_back({entry[0].get<std::int64_t>(), *code, entry[2].get<std::string>()});
  }
  return type.join(parts);
}

}  // namespace

Result<Value> from_json(const Type& type, const nlohmann::json& json) {
  if (type.kind == Type::Kind::kScalar) return type.from_json(json);
  if (type.kind == Type::Kind::kPartial) return partial_from_json(type, json);
  if (!json.is_array()) return unexpected(type.name.c_str(), json);
  Parts parts;
  for (std::size_t i = 0; i < json.size(); ++i) {
    auto item = from_json(*type.element, json[i]);
    if (!item) return std::move(item).error().with_context("element " + std::to_string(i));
    parts.values.push_back(*std::move(item));
  }
  return type.join(parts);
}

}  // namespace weft::planner
