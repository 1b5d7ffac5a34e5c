#pragma once
// Where nodes run and how time passes for them: on threads and real time, on the caller's thread
// alone, or on it and a virtual clock, by the same scheduler. On a virtual clock, a node takes the
// time for which it sleeps.

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <mutex>
#include <stop_token>

#include "base/lanes.h"
#include "base/timers.h"
#include "planner/policy.h"

namespace weft::planner {

class Executor {
 public:
  virtual ~Executor() = default;
  virtual Timers& timers() noexcept = 0;
  const Clock& clock() noexcept { return timers().clock(); }
  /// Nodes of one run that a lane runs at once.
  virtual std::size_t width(LaneKind lane) const noexcept = 0;
  /// Errors: those of Lane::post().
  virtual Result<void> post(LaneKind lane, Lane::Task task) = 0;
  /// Waits until `until` or a stop, and returns 0; or returns at once how long it would have
  /// waited.
  virtual std::chrono::nanoseconds pause(SteadyTime now, SteadyTime until,
                                         std::stop_token stop) = 0;
  /// The clock that whoever waits for a run has to drive; null on real time.
  virtual VirtualTime* virtual_time() noexcept { return nullptr; }
  /// Whether what is posted is left to the thread that waits for the run: it calls work_one().
  virtual bool needs_caller() const noexcept { return false; }
  /// Runs the next of it; false if there is none.
  virtual bool work_one() { return false; }
};

/// Borrows the lanes and timers, which outlive it and its runs; so must the lanes the timers.
class ThreadExecutor final : public Executor {
 public:
  ThreadExecutor(Lanes& lanes, SystemTimers& timers) : lanes_(lanes), timers_(timers) {}

  Timers& timers() noexcept override { return timers_; }
  std::size_t width(LaneKind lane) const noexcept override;
  Result<void> post(LaneKind lane, Lane::Task task) override;
  std::chrono::nanoseconds pause(SteadyTime now, SteadyTime until, std::stop_token stop) override;

 private:
  Lane& lane(LaneKind kind) const noexcept;

  Lanes& lanes_;
  SystemTimers& timers_;
};

/// Starts no thread: all lanes are the thread that waits for the run, one node after the other. For
/// runs of few nodes that hardly could run side by side, and whose callbacks are to come on their
/// caller's thread. For one run at a time.
class CallerExecutor final : public Executor {
 public:
  /// Errands of timers come on a thread of the timers', which the first one starts.
  Timers& timers() noexcept override { return timers_; }
  std::size_t width(LaneKind) const noexcept override { return 1; }
  Result<void> post(LaneKind lane, Lane::Task task) override;
  std::chrono::nanoseconds pause(SteadyTime now, SteadyTime until, std::stop_token stop) override;
  bool needs_caller() const noexcept override { return true; }
  bool work_one() override;

 private:
  SystemTimers timers_;
  std::mutex mutex_;  // ends of attempts may post from other threads
  std::deque<Lane::Task> tasks_;
};

/// The order of everything, and so each result and time, is the same in each run. For one thread.
class VirtualExecutor final : public Executor {
 public:
  /// Nodes at once in the lanes CPU, I/O and model.
  explicit VirtualExecutor(std::array<std::size_t, kLanes> widths = {1, 1024, 1})
      : widths_(widths) {}

  Timers& timers() noexcept override { return time_; }
  std::size_t width(LaneKind lane) const noexcept override {
    return widths_[static_cast<std::size_t>(lane)];
  }
  Result<void> post(LaneKind lane, Lane::Task task) override;
  std::chrono::nanoseconds pause(SteadyTime now, SteadyTime until, std::stop_token stop) override;
  VirtualTime* virtual_time() noexcept override { return &time_; }

 private:
  const std::array<std::size_t, kLanes> widths_;
  VirtualTime time_;
};

}  // namespace weft::planner
