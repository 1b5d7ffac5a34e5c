#include "planner/comparison.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace weft::planner {
namespace {

Compared compared(const Spread& spread, double measured) {
  return {.predicted = spread.mean, .interval = {spread.p10, spread.p90}, .measured = measured};
}

nlohmann::json to_json(const Compared& one) {
  return {{"predicted", one.predicted},
          {"interval_80", {one.interval.low, one.interval.high}},
          {"measured", one.measured},
          {"inside", one.is_inside()}};
}

std::optional<Compared> read(const nlohmann::json& json, const char* name) {
  const nlohmann::json one = json.value(name, nlohmann::json());
  const auto number = [&](const char* key) {
    return one.is_object() && one.contains(key) && one[key].is_number();
  };
  if (!number("predicted") || !number("measured")) return std::nullopt;
  const nlohmann::json interval = one.value("interval_80", nlohmann::json());
  if (!interval.is_array() || interval.size() != 2 || !interval[0].is_number() ||
      !interval[1].is_number()) {
    return std::nullopt;
  }
  return Compared{.predicted = one["predicted"].get<double>(),
                  .interval = {interval[0].get<double>(), interval[1].get<double>()},
                  .measured = one["measured"].get<double>()};
}

}  // namespace

double Compared::error() const noexcept {
  if (measured == 0) return predicted == 0 ? 0 : 1;
  return std::abs(predicted - measured) / std::abs(measured);
}

Comparison compare(const Forecast& forecast, const Report& report, bool succeeded) {
  const Spend& spent = report.spent;
  return {
      .seconds = compared(forecast.seconds, std::chrono::duration<double>(report.duration).count()),
      .prompt_tokens = compared(forecast.prompt_tokens, double(spent.prompt_tokens)),
      .output_tokens = compared(forecast.output_tokens, double(spent.output_tokens)),
      .calls = compared(forecast.calls, double(spent.calls)),
      .money_micros = compared(forecast.money_micros, double(spent.money_micros)),
      .success_predicted = forecast.success,
      .succeeded = succeeded};
}

std::string Comparison::json() const {
  const nlohmann::json json = {
      {"format", 1},
      {"seconds", to_json(seconds)},
      {"prompt_tokens", to_json(prompt_tokens)},
      {"output_tokens", to_json(output_tokens)},
      {"calls", to_json(calls)},
      {"money_micros", to_json(money_micros)},
      {"success", {{"predicted", success_predicted}, {"measured", succeeded}}}};
  return json.dump();
}

Result<Comparison> Comparison::from_json(std::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const Error wrong{ErrorCode::kInvalidArgument, "this is no comparison of a forecast and a run"};
  if (!json.is_object()) return wrong;
  Comparison comparison;
  for (const auto& [name, into] : {std::pair("seconds", &comparison.seconds),
                                   {"prompt_tokens", &comparison.prompt_tokens},
                                   {"output_tokens", &comparison.output_tokens},
                                   {"calls", &comparison.calls},
                                   {"money_micros", &comparison.money_micros}}) {
    const auto one = read(json, name);
    if (!one) return wrong;
    *into = *one;
  }
  const nlohmann::json success = json.value("success", nlohmann::json());
  if (!success.is_object() || !success.value("predicted", nlohmann::json()).is_number() ||
      !success.value("measured", nlohmann::json()).is_boolean()) {
    return wrong;
  }
  comparison.success_predicted = success["predicted"].get<double>();
  comparison.succeeded = success["measured"].get<bool>();
  return comparison;
}

ComparisonSummary summarize(std::span<const Comparison> comparisons) {
  ComparisonSummary summary;
  summary.runs = static_cast<std::int64_t>(comparisons.size());
  if (comparisons.empty()) return summary;
  std::vector<double> errors;
  double inside = 0;
  double exact = 0;
  for (const Comparison& one : comparisons) {
    summary.success_predicted += one.success_predicted / double(comparisons.size());
    if (!one.succeeded) continue;
    errors.push_back(one.seconds.error());
    inside += one.seconds.is_inside() ? 1 : 0;
    const bool is_exact =
        one.prompt_tokens.error() == 0 && one.output_tokens.error() == 0 && one.calls.error() == 0;
    exact += is_exact ? 1 : 0;
  }
  const auto succeeded = static_cast<double>(errors.size());
  summary.success_measured = succeeded / double(comparisons.size());
  if (errors.empty()) return summary;
  std::ranges::sort(errors);
  summary.coverage = inside / succeeded;
  summary.coverage_95 = wilson(inside, succeeded);
  summary.median_error = quantile(errors, 0.5);
  summary.exact_tokens = exact / succeeded;
  return summary;
}

}  // namespace weft::planner
