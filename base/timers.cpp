#include "base/timers.h"

#include <algorithm>

#include "base/guard.h"

namespace weft {

SystemTimers::SystemTimers(TaskFailure on_failure) : on_failure_(std::move(on_failure)) {}

SystemTimers::~SystemTimers() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  // What a task owns may still cancel others while it ends.
  std::map<Id, Task> dropped;
  dropped.swap(tasks_);
}

Timers::Id SystemTimers::at(SteadyTime when, Task task) {
  const std::lock_guard lock(mutex_);
  if (!closing_ && !thread_.joinable()) thread_ = std::thread([this] { run(); });
  const Id id{when, next_++};
  tasks_.emplace(id, std::move(task));
  if (tasks_.begin()->first == id) wake_.notify_all();
  return id;
}

bool SystemTimers::cancel(Id id) {
  Task dropped;  // outside the lock: what it owns may end here
  const std::lock_guard lock(mutex_);
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return false;
  dropped = std::move(found->second);
  tasks_.erase(found);
  return true;
}

void SystemTimers::run() {
  std::unique_lock lock(mutex_);
  while (!closing_) {
    if (tasks_.empty()) {
      wake_.wait(lock);
      continue;
    }
    const SteadyTime when = tasks_.begin()->first.first;
    if (clock_.steady_now() < when) {
      wake_.wait_until(lock, when);
      continue;
    }
    Task task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    lock.unlock();
    const Result<void> outcome = guarded([&] { task(); });
    if (!outcome && on_failure_) {
      (void)guarded([&] { on_failure_("timers", outcome.error()); });
    }
    task = nullptr;
    lock.lock();
  }
}

UnixTime VirtualTime::unix_now() const {
  constexpr std::chrono::seconds kStart{1'767'225'600};
  return UnixTime(std::chrono::duration_cast<UnixTime::duration>(kStart + now_.time_since_epoch()));
}

Timers::Id VirtualTime::at(SteadyTime when, Task task) {
  const Id id{std::max(when, now_), next_++};
  tasks_.emplace_hint(tasks_.end(), id, std::move(task));
  return id;
}

bool VirtualTime::step() {
  if (tasks_.empty()) return false;
  const auto first = tasks_.begin();
  now_ = first->first.first;
  const Task task = std::move(first->second);
  tasks_.erase(first);
  task();
  return true;
}

}  // namespace weft
