#include "planner/error_tag.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace weft::planner {
namespace {

using Json = nlohmann::json;

constexpr std::array<std::string_view, 8> kKinds = {"none", "exact", "fail",     "additive",
                                                    "max",  "vote",  "retrieve", "custom"};

// One list for both ways.
struct Number {
  const char* key;
  double ErrorTag::*member;
  double low;
  double high;
};
constexpr double kAny = 1e300;
constexpr std::array kNumbers = {Number{"chance", &ErrorTag::chance, 0, 1},
                                 Number{"mean", &ErrorTag::mean, -kAny, kAny},
                                 Number{"sd", &ErrorTag::sd, 0, kAny},
                                 Number{"sensitivity", &ErrorTag::sensitivity, 0, kAny},
                                 Number{"recall", &ErrorTag::recall, 0, 1},
                                 Number{"false_alarm", &ErrorTag::false_alarm, 0, 1},
                                 Number{"overlap", &ErrorTag::overlap, 0, 1}};

Error wrong(const std::string& why) {
  return Error{ErrorCode::kInvalidArgument, "error tag: " + why};
}

Result<void> read_count(const Json& value, const std::string& key, std::int64_t low,
                        std::int64_t& into) {
  constexpr std::int64_t kMost = 1'000'000;
  if (!value.is_number_integer() || value < low || value > kMost) {
    return wrong(key + " isn't a whole number from " + std::to_string(low) + " to a million");
  }
  into = value.get<std::int64_t>();
  return {};
}

}  // namespace

Json error_tag_json(const ErrorTag& tag) {
  const ErrorTag usual;
  Json json = {{"kind", kKinds[static_cast<std::size_t>(tag.kind)]}};
  for (const Number& number : kNumbers) {
    if (tag.*number.member != usual.*number.member) json[number.key] = tag.*number.member;
  }
  if (tag.lead != usual.lead) json["lead"] = tag.lead;
  if (tag.with_needle != usual.with_needle) json["with_needle"] = tag.with_needle;
  if (tag.independent) json["independent"] = true;
  return json;
}

Result<ErrorTag> error_tag_from_json(const Json& json) {
  if (!json.is_object()) return wrong("an object is expected");
  ErrorTag tag;
  for (const auto& [key, value] : json.items()) {
    const auto number =
        std::ranges::find_if(kNumbers, [&](const Number& one) { return key == one.key; });
    if (number != kNumbers.end()) {
      const double given = value.is_number() ? value.get<double>() : NAN;
      if (!(given >= number->low && given <= number->high)) return wrong(key + " is out of range");
      tag.*number->member = given;
    } else if (key == "lead") {
      WEFT_TRY_VOID(read_count(value, key, 0, tag.lead));
    } else if (key == "with_needle") {
      WEFT_TRY_VOID(read_count(value, key, 1, tag.with_needle));
    } else if (key == "independent") {
      if (!value.is_boolean()) return wrong("independent is neither true nor false");
      tag.independent = value.get<bool>();
    } else if (key == "kind") {
      const auto kind =
          std::ranges::find(kKinds, value.is_string() ? value.get<std::string>() : "");
      if (kind == kKinds.end()) return wrong("there is no such kind");
      tag.kind = static_cast<ErrorTag::Kind>(kind - kKinds.begin());
    } else {
      return wrong("\"" + key + "\" isn't known here");
    }
  }
  return tag;
}

}  // namespace weft::planner
