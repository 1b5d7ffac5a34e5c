#include "inference/remote/json_read.h"

#include <cstdint>
#include <nlohmann/json.hpp>

namespace weft::inference {

const nlohmann::json* member(const nlohmann::json& json, const char* key) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(key);
  return found == json.end() || found->is_null() ? nullptr : &*found;
}

std::string text_member(const nlohmann::json& json, const char* key) {
  const nlohmann::json* found = member(json, key);
  return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<std::size_t> count_member(const nlohmann::json& json, const char* key) {
  constexpr std::uint64_t kMax = std::uint64_t{1} << 53;
  const nlohmann::json* found = member(json, key);
  if (found == nullptr || !found->is_number_unsigned()) return std::nullopt;
  const auto number = found->get<std::uint64_t>();
  if (number > kMax) return std::nullopt;
  return static_cast<std::size_t>(number);
}

}  // namespace weft::inference
