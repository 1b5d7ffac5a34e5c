#include "planner/stand_in.h"

#include <array>
#include <nlohmann/json.hpp>

namespace weft::planner {

Result<Value> StandIns::scalar(const Type& type) {
  if (const auto known = scalars_.find(&type); known != scalars_.end()) return known->second;
  Value value;
  if (const auto given = given_.find(type.name); given != given_.end()) {
    value = given->second;
    if (value.type() != &type) {
      return Error{ErrorCode::kInvalidArgument, "the stand-in for " + type.name + " is a " +
                                                    (value ? value.type()->name : "nothing")};
    }
  } else {
    using Json = nlohmann::json;
    for (const Json& json : std::array{Json(0), Json(""), Json::object(), Json::array(), Json()}) {
      auto read = from_json(type, json);
      if (!read) continue;
      value = *std::move(read);
      break;
    }
  }
  if (!value) {
    return Error{ErrorCode::kUnsupported,
                 "nothing can stand in for a " + type.name + ": hand one in (stand_ins)"};
  }
  return scalars_.emplace(&type, std::move(value)).first->second;
}

Result<Value> StandIns::make(const Type& type, const Shape& shape, Random& random,
                             std::size_t level) {
  if (type.kind == Type::Kind::kScalar) {
    static const Type* const kBool = type_of<bool>();
    if (&type != kBool) return scalar(type);
    static const std::array kBools = {make_value(false), make_value(true)};
    // Nothing is drawn where nothing is asked, so that a list from the cache changes no number.
    return kBools[shape.yes > 0 && random.chance(shape.yes) ? 1 : 0];
  }
  const auto* widths = level < shape.widths.size() ? shape.widths[level] : nullptr;
  const std::int64_t width =
      widths == nullptr || widths->empty() ? 1 : (*widths)[random.below(widths->size())];
  constexpr std::int64_t kWidthMax = 1'000'000;  // as RunOptions::elements_max
  if (width > kWidthMax) {
    return Error{ErrorCode::kResourceExhausted,
                 "a list of " + std::to_string(width) + " elements is too wide to be simulated"};
  }
  const bool is_plain = type.element->kind == Type::Kind::kScalar && shape.yes == 0;
  if (is_plain) {
    if (const auto known = lists_.find({&type, width}); known != lists_.end()) {
      return known->second;
    }
  }
  Parts parts;
  for (std::int64_t i = 0; i < width; ++i) {
    WEFT_TRY(element, make(*type.element, shape, random, level + 1));
    if (type.kind == Type::Kind::kPartial) parts.indices.push_back(i);
    parts.values.push_back(std::move(element));
  }
  Value list = type.join(parts);
  if (is_plain) lists_.emplace(std::pair{&type, width}, list);
  return list;
}

}  // namespace weft::planner
