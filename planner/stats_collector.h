#pragma once
// Turns the events of runs into statistics: what RunOptions::on_event is for here.
//
//   StatsCollector collector(book, program, "smollm2-135m");
//   runtime.run(program, inputs, {.on_event = collector.observer()});

#include <functional>
#include <map>
#include <string>
#include <unordered_map>

#include "planner/node_stats.h"
#include "planner/program.h"
#include "planner/runtime.h"

namespace weft::planner {

/// Borrows the book, which outlives it. For one run after the other; runs at the same time have a
/// collector each, and a book each or a lock around them.
class StatsCollector {
 public:
  /// `model` is the one that nodes of the model lane run on.
  StatsCollector(StatsBook& book, const AnyProgram& program, std::string model = {});

  void see(const Event& event);
  std::function<void(const Event&)> observer() {
    return [this](const Event& event) { see(event); };
  }

 private:
  struct Code {
    std::string function;
    std::string model;
  };
  struct Control {
    NodeKind kind = NodeKind::kScope;
    bool yes_is_empty = false;  // of a branch
    bool no_is_empty = false;
  };
  struct Side {
    std::string branch;  // path without indices
    bool yes = false;
    bool is_clear = true;  // no node of the other side has this path
  };

  void note_counts(const std::string& path);
  void note_side(const Event& event, const std::string& plain);
  void end_attempt(const Event& event, const std::string& plain);
  void end_control(const Event& event, const std::string& plain);

  StatsBook& book_;
  AnyProgram program_;  // whose nodes the paths are of
  // By path without indices; events of code have an attempt, those of control haven't.
  std::unordered_map<std::string, Code> codes_;
  std::unordered_map<std::string, Control> controls_;
  std::map<std::pair<std::string, bool>, Side> sides_;  // of a branch's own nodes; is code

  // Of the run that goes on, by path:
  std::unordered_map<std::string, SteadyTime> started_;
  std::unordered_map<std::string, std::int64_t> counts_;  // of elements or iterations so far
  std::unordered_map<std::string, bool> taken_;           // sides
};

}  // namespace weft::planner
