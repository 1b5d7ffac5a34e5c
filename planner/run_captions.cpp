#include "planner/run_captions.h"

#include <cstdio>

#include "planner/positions.h"

namespace weft::planner {
namespace {

struct Sums {
  std::map<std::string_view, int> outcomes;
  std::chrono::nanoseconds time{0};
  std::int64_t prompt_tokens = 0;
  std::int64_t output_tokens = 0;
};

std::string caption(const Sums& sums) {
  std::string text;
  for (const auto& [outcome, count] : sums.outcomes) {
    if (!text.empty()) text += ", ";
    if (count > 1) text += std::to_string(count) + " ";
    text += outcome;
  }
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, ", %.3g s",
                std::chrono::duration<double>(sums.time).count());
  text += seconds;
  if (sums.prompt_tokens + sums.output_tokens > 0) {
    text += ", " + std::to_string(sums.prompt_tokens) + " + " + std::to_string(sums.output_tokens) +
            " tokens";
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
    sums.prompt_tokens += event.spent.prompt_tokens;
    sums.output_tokens += event.spent.output_tokens;
  }
  Captions captions;
  for (const auto& [path, sums] : all) captions[path] = caption(sums);
  return captions;
}

}  // namespace weft::planner
