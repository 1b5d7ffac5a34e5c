#pragma once
// Where work runs. A lane is a queue with a bound and threads of its own; a completion is posted to
// a lane, and nothing else is asynchronous here.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"

namespace weft {

/// Called with what a task threw, on the thread that ran it; what it throws itself is dropped.
using TaskFailure = std::function<void(std::string_view lane, const Error& error)>;

/// post() may be called from any thread, also from a task on this lane, as long as the lane exists.
class Lane {
 public:
  using Task = std::function<void()>;
  struct Options {
    std::string name;
    std::size_t threads = 1;       // 1 keeps the order of posting
    std::size_t queue_max = 4096;  // tasks that may wait
    TaskFailure on_failure;        // may be empty: the Error is dropped
  };

  /// Misuse (no thread, no queue) is corrected to 1.
  explicit Lane(Options options);
  ~Lane() { close(); }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  /// Queues `task` and returns at once; a refused task never runs.
  /// Errors: kInvalidArgument for an empty task; kResourceExhausted if queue_max wait;
  /// kCancelled once the lane closes.
  Result<void> post(Task task);

  /// Refuses new tasks, runs those that wait, and joins the threads. Not from a task on this lane,
  /// nor from two threads at once; a second call does nothing.
  void close();

  const std::string& name() const noexcept { return options_.name; }
  std::size_t threads() const noexcept { return options_.threads; }

 private:
  void run();

  const Options options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> queue_;
  bool closing_ = false;
  std::vector<std::thread> threads_;
};

/// The three lanes of a program. Work on one may post to the others, until the end: the lanes are
/// closed one after the other (I/O, model, CPU) before any is destroyed, and a closed one refuses.
class Lanes {
 public:
  struct Options {
    std::size_t cpu_threads = 1;
    std::size_t io_threads = 4;  // they wait rather than work
    std::size_t queue_max = 4096;
    TaskFailure on_failure;
  };

  explicit Lanes(const Options& options);
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  Lane& cpu() noexcept { return cpu_; }
  Lane& io() noexcept { return io_; }
  /// One thread: the engine alone loops there.
  Lane& model() noexcept { return model_; }

 private:
  Lane cpu_;
  Lane io_;
  Lane model_;
};

}  // namespace weft
