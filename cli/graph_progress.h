#pragma once
// What a run of a graph tells while it goes on and at its end: a line a node, and what each spent.

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/console.h"
#include "planner/runtime.h"

namespace weft::cli {

/// Told of a run's events. Nodes that a map or loop runs again and again count as one.
class GraphProgress {
 public:
  /// With `shows`, a line on standard error for each node that ends, indented by the graphs it is
  /// in.
  GraphProgress(Console& console, bool shows) : console_(console), shows_(shows) {}

  /// For RunOptions::on_event.
  void on_event(const planner::Event& event);
  /// [{"node", "done", "recalled", "failed", "attempts", "seconds", "prompt_tokens", ...}], in the
  /// order in which they first began; "seconds" are those of all its attempts.
  nlohmann::ordered_json json() const;

 private:
  struct Use {
    std::size_t order = 0;
    std::size_t done = 0;
    std::size_t recalled = 0;  // of them, from a trace
    std::size_t failed = 0;
    std::size_t attempts = 0;
    double seconds = 0;
    Spend spent;
  };

  Console& console_;
  const bool shows_;
  std::map<std::string, Use> uses_;
  std::map<std::string, SteadyTime> running_;  // attempts
};

nlohmann::ordered_json spend_json(const Spend& spent);
/// "1200 (800 cached) + 30 tokens": read and written.
std::string tokens_text(const Spend& spent);

}  // namespace weft::cli
