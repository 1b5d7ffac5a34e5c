#include "planner/json_value.h"

#include <nlohmann/json.hpp>

namespace weft::planner {

void Codec<nlohmann::json>::to_json(nlohmann::json& json, const nlohmann::json& value) {
  json = value;
}

Result<nlohmann::json> Codec<nlohmann::json>::from_json(const nlohmann::json& json) { return json; }

}  // namespace weft::planner
