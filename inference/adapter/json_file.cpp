#include "inference/adapter/json_file.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>

namespace weft::inference {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::size_t kBytesMax = 1 << 20;

}  // namespace

Result<std::optional<JsonFile>> JsonFile::read_if_there(const fs::path& path) {
  std::error_code error;
  if (!fs::exists(path, error)) return std::optional<JsonFile>();
  const auto size = fs::file_size(path, error);
  if (error) return Error{ErrorCode::kIo, "cannot examine " + path.string()};
  if (size > kBytesMax) {
    return Error{ErrorCode::kResourceExhausted, path.filename().string() + " has " +
                                                    std::to_string(size) + " bytes, the limit is " +
                                                    std::to_string(kBytesMax)};
  }
  std::string text(size, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(size));
  if (!file) return Error{ErrorCode::kIo, "cannot read " + path.string()};
  JsonFile read;
  read.name_ = path.filename().string();
  read.json_ = std::make_shared<const Json>(Json::parse(text, nullptr, false));
  if (!read.json_->is_object()) {
    return Error{ErrorCode::kCorrupt, read.name_ + " isn't a JSON object"};
  }
  return std::optional(std::move(read));
}

const Json* JsonFile::find(std::string_view key) const {
  const auto found = json_->find(std::string(key));
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

Error JsonFile::wrong(std::string_view key, const std::string& what) const {
  return {ErrorCode::kCorrupt, name_ + ": \"" + std::string(key) + "\" " + what};
}

std::vector<std::string> JsonFile::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, value] : json_->items()) keys.push_back(key);
  return keys;
}

Result<std::string> JsonFile::string(std::string_view key, std::string_view fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) return wrong(key, "isn't a string");
  return value->get<std::string>();
}

Result<bool> JsonFile::boolean(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) return wrong(key, "isn't true or false");
  return value->get<bool>();
}

Result<std::optional<double>> JsonFile::number(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::optional<double>();
  if (!value->is_number()) return wrong(key, "isn't a number");
  return std::optional(value->get<double>());
}

Result<std::vector<std::string>> JsonFile::strings(std::string_view key) const {
  const Json* value = find(key);
  std::vector<std::string> list;
  if (value == nullptr) return list;
  if (value->is_string()) return std::vector{value->get<std::string>()};
  if (!value->is_array()) return wrong(key, "isn't a list of strings");
  for (const Json& item : *value) {
    if (!item.is_string()) return wrong(key, "isn't a list of strings");
    list.push_back(item.get<std::string>());
  }
  return list;
}

Result<std::vector<std::pair<std::string, double>>> JsonFile::numbers(std::string_view key) const {
  const Json* value = find(key);
  std::vector<std::pair<std::string, double>> table;
  if (value == nullptr) return table;
  if (!value->is_object()) return wrong(key, "isn't an object of numbers");
  for (const auto& [name, number] : value->items()) {
    if (!number.is_number()) return wrong(key, "isn't an object of numbers");
    table.emplace_back(name, number.get<double>());
  }
  return table;
}

std::string JsonFile::text(std::string_view key) const {
  // Nested values aren't written out: a hostile file's could be deeper than the stack.
  const auto flat = [](const Json& value) -> std::string {
    if (value.is_structured()) return value.is_array() ? "[..]" : "{..}";
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  const Json* value = find(key);
  if (value == nullptr) return "null";
  if (value->is_object()) return value->empty() ? "{}" : "{..}";
  if (!value->is_array()) return flat(*value);
  std::string list;
  for (const Json& item : *value) list += (list.empty() ? "" : ", ") + flat(item);
  return "[" + list + "]";
}

}  // namespace weft::inference
