#pragma once
// Turns the events of runs into statistics: what RunOptions::on_event is for here.
//
//   StatsCollector collector(book, program, "smollm2-135m");
//   runtime.run(program, inputs, {.on_event = collector.observer()});

#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>

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

  /// The run that is seen next goes on with an earlier one. What that did counted then: control
  /// nodes count if something inside ran, plans if all of them did.
  void goes_on() { goes_on_ = true; }

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
    std::string function;       // of a plan
    bool yes_is_empty = false;  // of a branch
    bool no_is_empty = false;
  };
  struct Side {
    std::string branch;  // path without indices
    bool yes = false;
    bool is_clear = true;  // no node of the other side has this path
  };

  struct Plan {
    SteadyTime begin;
    Spend spent;
    bool is_whole = true;
    bool has_failed = false;
  };

  void note_fresh(const Event& event);
  void note_plans(const Event& event);
  void end_plan(const Event& event, const std::string& plain);
  void add_plan(const std::string& plain, const Plan& plan, SteadyTime end);
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
  bool has_plans_ = false;

  // Of the run that goes on, by path:
  std::unordered_map<std::string, SteadyTime> started_;
  std::unordered_map<std::string, std::int64_t> counts_;  // of elements or iterations so far
  std::unordered_map<std::string, bool> taken_;           // sides
  std::unordered_map<std::string, Plan> plans_;           // that have begun
  bool goes_on_ = false;
  std::unordered_set<std::string> fresh_;  // if so, control nodes in which something has run
};

}  // namespace weft::planner
