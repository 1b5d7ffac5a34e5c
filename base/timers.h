#pragma once
// Work for later: on real time, or on a virtual clock that jumps from one event to the next, so
// that hours of waiting are tested in microseconds, in the same order each time.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/lanes.h"

namespace weft {

class Timers {
 public:
  using Task = std::function<void()>;
  /// When, and which of those for that moment: ids are ordered as their tasks run.
  using Id = std::pair<SteadyTime, std::uint64_t>;

  virtual ~Timers() = default;
  virtual const Clock& clock() const noexcept = 0;
  /// Runs `task` at `when`, at once if that has passed; tasks of the same moment run in the order
  /// in which they were set. A task is short, and may set and cancel others.
  virtual Id at(SteadyTime when, Task task) = 0;
  /// True if the task was taken back; false if it has run or is running. Doesn't wait for it.
  virtual bool cancel(Id id) = 0;
};

/// On real time, on a thread of its own that the first task starts. Thread-safe.
class SystemTimers final : public Timers {
 public:
  /// `on_failure` hears what tasks throw; see Lane.
  explicit SystemTimers(TaskFailure on_failure = {});
  /// Drops the tasks whose time hasn't come.
  ~SystemTimers() override;

  const Clock& clock() const noexcept override { return clock_; }
  Id at(SteadyTime when, Task task) override;
  bool cancel(Id id) override;

 private:
  void run();

  const SystemClock clock_;
  const TaskFailure on_failure_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<Id, Task> tasks_;
  std::uint64_t next_ = 0;
  bool closing_ = false;
  std::thread thread_;
};

/// A clock that stands still while something runs, and its timers. For one thread.
class VirtualTime final : public Clock, public Timers {
 public:
  SteadyTime steady_now() const override { return now_; }
  /// 2026-01-01T00:00:00Z and what has passed since.
  UnixTime unix_now() const override;
  const Clock& clock() const noexcept override { return *this; }

  Id at(SteadyTime when, Task task) override;
  bool cancel(Id id) override { return tasks_.erase(id) > 0; }

  /// Moves to the next task's time and runs it; false if there is none.
  bool step();
  /// Steps until nothing is left to do.
  void run() {
    while (step()) {
    }
  }

 private:
  SteadyTime now_{};
  std::map<Id, Task> tasks_;
  std::uint64_t next_ = 0;
};

}  // namespace weft
