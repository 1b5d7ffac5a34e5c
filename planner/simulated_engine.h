#pragma once
// An engine on a virtual clock: it reads one prompt after the other, and then decodes all its
// sequences in steps, each of which takes tau(b) for b of them. Reading goes before decoding.
// Inside planner only.

#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "base/timers.h"
#include "planner/node_stats.h"

namespace weft::planner {

class SimulatedEngine {
 public:
  /// A call that the engine works on; `is_gone` says that nobody waits for it any more.
  struct Work {
    double prefill_seconds = 0;
    double tokens = 0;  // still to be written
    std::function<void()> done;
    std::function<bool()> is_gone;
  };

  SimulatedEngine(const EngineRates& rates, Timers& timers) : rates_(rates), timers_(timers) {}

  double prefill_seconds(std::int64_t tokens) const;
  void add(Work work);
  /// Forgets what it is working on.
  void reset();

 private:
  void advance();
  void go_on();

  const EngineRates rates_;
  Timers& timers_;
  SteadyTime at_{};  // up to where work is counted
  std::deque<Work> reading_;
  std::vector<Work> decoding_;
  std::uint64_t turn_ = 0;  // a timer of an earlier one has nothing to do
};

}  // namespace weft::planner
