#include "cli/watched_run.h"

#include <nlohmann/json.hpp>

#include "planner/calibration.h"
#include "planner/json_value.h"
#include "planner/nodes/text.h"

namespace weft::cli {

using Json = nlohmann::ordered_json;

WatchedRun::WatchedRun(Context& context, const std::string& text, const GraphMachine& machine,
                       const planner::AnyProgram& program,
                       const GraphStatistics::Question& question, Options options)
    : context_(context),
      text_(text),
      options_(std::move(options)),
      statistics_(context, text, machine),
      collector_(seen_, program, machine.loaded ? machine.loaded->name : "") {
  if (options_.goes_on) {
    collector_.goes_on();
    return;
  }
  const bool is_known = !statistics_.book().nodes().empty();
  if (!is_known && !statistics_.engine()) return;
  auto made = statistics_.forecast(program, question);
  // A budget or input that can't be forecast can't be run either, and the run says why.
  if (!made) return;
  // Guesses of nodes that never ran say nothing about how far off forecasts are.
  if (made->unknown.empty()) {
    seconds_forecast_ = made->seconds.p50;
    output_tokens_forecast_ = made->output_tokens.p50;
  }
  forecast_ = planner::calibrate(*std::move(made), statistics_.book());
}

bool WatchedRun::judge(const planner::Value& value) {
  const planner::Value& expected = *options_.expected;
  const planner::Type* type = value.type();
  bool is_right = false;
  std::optional<double> error;
  if (type == planner::type_of<std::string>()) {
    is_right = planner::normalised(value.as<std::string>()) ==
               planner::normalised(expected.as<std::string>());
  } else {
    const nlohmann::json got = planner::to_json(value);
    const nlohmann::json right = planner::to_json(expected);
    is_right = got == right;
    if (got.is_number() && right.is_number()) error = got.get<double>() - right.get<double>();
  }
  const auto tuning = planner::graph_tuning(text_);
  planner::Setting setting;
  if (tuning && *tuning) setting = planner::setting_of(text_, **tuning);
  planner::Judgements& judged =
      seen_.judgement(setting.size, setting.overlap_percent, setting.votes).judged;
  ++judged.with_answer;
  if (is_right) ++judged.right;
  if (error) judged.add_error(*error);
  return is_right;
}

Json WatchedRun::end(const planner::AnyRun& run, const End& end) {
  Json json = Json::object();
  const planner::Report report = run.report();
  const planner::Value* value = end.value;
  if (value != nullptr && !options_.goes_on) {
    seen_.add_run({.seconds = std::chrono::duration<double>(report.duration).count(),
                   .seconds_forecast = seconds_forecast_,
                   .output_tokens = double(report.spent.output_tokens),
                   .output_tokens_forecast = output_tokens_forecast_});
    if (options_.expected) json["right"] = judge(*value);
  }
  if (options_.adds) statistics_.add(seen_);
  if (!forecast_ || end.is_suspended) return json;
  const planner::Comparison comparison = planner::compare(*forecast_, report, value != nullptr);
  json["forecast"] = Json::parse(comparison.json());
  if (end.trace == nullptr || run.id().empty()) return json;
  const auto noted = end.trace->set_note(run.id(), kComparisonNote, comparison.json());
  if (!noted) context_.console.warn("the comparison isn't kept: " + noted.error().message);
  return json;
}

}  // namespace weft::cli
