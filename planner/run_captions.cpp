#include "planner/run_captions.h"

#include <cstdio>

#include "planner/positions.h"

namespace weft::planner {
namespace {

struct Sums {
  std::map<std::string_view, int> outcomes;
  std::chrono::nanoseconds time{0};
  Spend spent;
};

std::string caption(const Sums& sums) {
  std::string text;
  for (const auto& [outcome, count] : sums.outcomes) {
    if (!text.empty()) text += ", ";
    if (count > 1) text += std::to_string(count) + " ";
    text += outcome;
  }
  const auto milliseconds = std::chrono::round<std::chrono::milliseconds>(sums.time).count();
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, ", %.3g s", static_cast<double>(milliseconds) / 1000);
  text += seconds;
  const Spend& spent = sums.spent;
  if (spent.prompt_tokens + spent.output_tokens > 0) {
    text += ", " + std::to_string(spent.prompt_tokens);
    if (spent.cached_tokens > 0) text += " (" + std::to_string(spent.cached_tokens) + " cached)";
    text += " + " + std::to_string(spent.output_tokens) + " tokens";
  }
  return text;
}

}  // namespace

Captions run_captions(const std::vector<TraceEvent>& events) {
  std::map<std::string, Sums> all;
  for (const TraceEvent& event : events) {
    if (event.kind == TraceEvent::Kind::kIntent) continue;  // its outcome follows
    Sums& sums = all[without_indices(event.path)];
    ++sums.outcomes[to_string(event.kind)];
    sums.time += event.end - event.begin;
    sums.spent = sums.spent + event.spent;
  }
  Captions captions;
  for (const auto& [path, sums] : all) captions[path] = caption(sums);
  return captions;
}

}  // namespace weft::planner
