#include "planner/graph_file_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/nearest.h"
#include "tools/json_text.h"

namespace weft::planner::file {
namespace {

constexpr double kSecondsMin = 1e-9;                       // 0 would be no limit
constexpr double kSecondsMax = 1e6;                        // eleven days
constexpr std::int64_t kCountMax = std::int64_t{1} << 53;  // that every JSON reader keeps
constexpr std::array kEffects = {"pure", "idempotent", "once"};

Error no(const char* key, const std::string& wanted, const Json& json) {
  return wrong("\"" + std::string(key) + "\" has to be " + wanted + ", not " +
               tools::shown(json[key]));
}

std::chrono::nanoseconds seconds(double count) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(count));
}

std::string shown(double number) { return tools::shown(Json(number)); }

}  // namespace

Error wrong(const std::string& why) { return Error{ErrorCode::kInvalidArgument, why}; }

Result<void> only(const Json& json, const Names& keys) {
  if (!json.is_object()) return wrong("an object is expected, not " + tools::shown(json));
  for (const auto& [key, value] : json.items()) {
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) continue;
    std::string known;
    for (const std::string& name : keys) known += (known.empty() ? "" : ", ") + name;
    const std::string hint = did_you_mean(key, keys);
    return wrong("\"" + key + "\" isn't known here" +
                 (hint.empty() ? "; what is: " + known : hint));
  }
  return {};
}

Result<std::string> text(const Json& json, const char* key) {
  if (!json.contains(key)) return wrong("\"" + std::string(key) + "\" is missing");
  if (!json[key].is_string()) return no(key, "a text", json);
  return json[key].get<std::string>();
}

Result<std::string> text_or(const Json& json, const char* key, const std::string& usual) {
  return json.contains(key) ? text(json, key) : Result<std::string>(usual);
}

Result<std::int64_t> integer_or(const Json& json, const char* key, std::int64_t usual,
                                std::int64_t least, std::int64_t most) {
  if (!json.contains(key)) return usual;
  const Json& value = json[key];
  const bool fits = value.is_number_integer() && value >= Json(least) && value <= Json(most);
  if (fits) return value.get<std::int64_t>();
  return no(key, "a whole number from " + std::to_string(least) + " to " + std::to_string(most),
            json);
}

Result<double> number_or(const Json& json, const char* key, double usual, double least,
                         double most) {
  if (!json.contains(key)) return usual;
  const Json& value = json[key];
  if (value.is_number() && value.get<double>() >= least && value.get<double>() <= most) {
    return value.get<double>();
  }
  return no(key, "a number from " + shown(least) + " to " + shown(most), json);
}

Result<bool> bool_or(const Json& json, const char* key, bool usual) {
  if (!json.contains(key)) return usual;
  if (!json[key].is_boolean()) return no(key, "true or false", json);
  return json[key].get<bool>();
}

Result<Names> texts_or(const Json& json, const char* key, const Names& usual) {
  if (!json.contains(key)) return usual;
  const Json& value = json[key];
  const bool are_texts =
      value.is_array() &&
      std::all_of(value.begin(), value.end(), [](const Json& j) { return j.is_string(); });
  if (!are_texts) return no(key, "a list of texts", json);
  return value.get<Names>();
}

Result<const Json*> list(const Json& json, const char* key) {
  if (!json.contains(key)) return wrong("\"" + std::string(key) + "\" is missing");
  if (!json[key].is_array()) return no(key, "a list", json);
  return &json[key];
}

Result<GraphBudget> budget(const Json& json) {
  WEFT_TRY_VOID(
      only(json, {"prompt_tokens", "output_tokens", "calls", "money_micros", "wall_time_s"}));
  GraphBudget made;
  SpendLimit& limit = made.limit;
  const auto read = [&](const char* key, std::optional<std::int64_t>& into) -> Result<void> {
    WEFT_TRY(count, integer_or(json, key, 0, 0, kCountMax));
    if (json.contains(key)) into = count;
    return {};
  };
  WEFT_TRY_VOID(read("prompt_tokens", limit.prompt_tokens));
  WEFT_TRY_VOID(read("output_tokens", limit.output_tokens));
  WEFT_TRY_VOID(read("calls", limit.calls));
  WEFT_TRY_VOID(read("money_micros", limit.money_micros));
  WEFT_TRY(wall_time, number_or(json, "wall_time_s", 0, kSecondsMin, kSecondsMax));
  made.wall_time = seconds(wall_time);
  return made;
}

const Names kPolicyKeys = {"attempts", "backoff_s", "timeout_s", "expected_s", "effect", "version"};

Result<void> read_policy(const Json& json, Policy& policy) {
  WEFT_TRY(attempts, integer_or(json, "attempts", policy.attempts, 1, 100));
  WEFT_TRY(version, integer_or(json, "version", policy.version, 0, INT32_MAX));
  WEFT_TRY(backoff, number_or(json, "backoff_s", 0, 0, kSecondsMax));
  WEFT_TRY(timeout, number_or(json, "timeout_s", 0, 0, kSecondsMax));
  WEFT_TRY(expected, number_or(json, "expected_s", 0, 0, kSecondsMax));
  policy.attempts = static_cast<int>(attempts);
  policy.version = static_cast<int>(version);
  policy.backoff = seconds(backoff);
  policy.timeout = seconds(timeout);
  policy.expected = seconds(expected);
  if (!json.contains("effect")) return {};
  WEFT_TRY(effect, text(json, "effect"));
  const auto* found = std::find(kEffects.begin(), kEffects.end(), effect);
  if (found == kEffects.end()) return no("effect", "pure, idempotent or once", json);
  policy.effect = static_cast<Effect>(found - kEffects.begin());
  return {};
}

}  // namespace weft::planner::file
