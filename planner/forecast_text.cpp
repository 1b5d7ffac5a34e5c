// A forecast as text: JSON for a trace, a table for people.

#include <cstdio>
#include <nlohmann/json.hpp>

#include "planner/forecast.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;

Json spread_json(const Spread& s) {
  return {{"mean", s.mean}, {"sd", s.sd}, {"p10", s.p10}, {"p50", s.p50}, {"p90", s.p90}};
}

std::string format(const char* pattern, auto... values) {
  char line[256];
  std::snprintf(line, sizeof line, pattern, values...);
  return line;
}

std::string row(const char* name, const Spread& s) {
  return format("%-14s %12.6g %12.6g %12.6g %12.6g\n", name, s.mean, s.p10, s.p50, s.p90);
}

}  // namespace

std::string Forecast::json() const {
  Json json = {{"format", 1},
               {"samples", samples},
               {"seconds", spread_json(seconds)},
               {"prompt_tokens", spread_json(prompt_tokens)},
               {"output_tokens", spread_json(output_tokens)},
               {"calls", spread_json(calls)},
               {"money_micros", spread_json(money_micros)},
               {"success", success},
               {"success_95", {success_95.low, success_95.high}},
               {"failures", failures},
               {"unknown", unknown},
               {"nodes", Json::array()}};
  for (const NodeForecast& node : nodes) {
    json["nodes"].push_back({{"path", node.path},
                             {"function", node.function},
                             {"is_known", node.is_known},
                             {"attempts", node.attempts},
                             {"seconds", node.seconds},
                             {"prompt_tokens", node.prompt_tokens},
                             {"output_tokens", node.output_tokens},
                             {"calls", node.calls},
                             {"money_micros", node.money_micros},
                             {"critical_share", node.critical_share}});
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string Forecast::text() const {
  std::string text = format("%-14s %12s %12s %12s %12s\n", "", "mean", "10 %", "half", "90 %");
  text += row("seconds", seconds) + row("prompt tokens", prompt_tokens) +
          row("output tokens", output_tokens) + row("calls", calls);
  if (money_micros.mean > 0) text += row("money (1e-6)", money_micros);
  text += format("success        %.1f %% (95 %%: %.1f to %.1f %%), of %d samples\n", 100 * success,
                 100 * success_95.low, 100 * success_95.high, samples);
  for (const auto& [code, count] : failures) {
    text += format("  failed: %s in %lld samples\n", code.c_str(), static_cast<long long>(count));
  }
  text += format("\n%9s %9s %9s %9s  %s\n", "attempts", "seconds", "tokens", "critical", "node");
  for (const NodeForecast& node : nodes) {
    text += format("%9.4g %9.4g %9.6g %7.1f %%  ", node.attempts, node.seconds,
                   node.prompt_tokens + node.output_tokens, 100 * node.critical_share);
    text += node.path + (node.is_known ? "\n" : " (no statistics)\n");
  }
  return text;
}

}  // namespace weft::planner
