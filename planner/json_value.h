#pragma once
// JSON as a graph's value: what tools take and give. Its name in a graph's file is "json".

#include <nlohmann/json_fwd.hpp>

#include "planner/value.h"

namespace weft::planner {

template <>
struct Codec<nlohmann::json> {
  static constexpr const char* kName = "json";
  static void to_json(nlohmann::json& json, const nlohmann::json& value);
  static Result<nlohmann::json> from_json(const nlohmann::json& json);
};

}  // namespace weft::planner
