#include "planner/executor.h"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace weft::planner {
namespace {

void wait_until(SteadyTime until, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  // Nothing but a stop wakes it early.
  (void)wake.wait_until(lock, std::move(stop), until, [] { return false; });
}

}  // namespace

Lane& ThreadExecutor::lane(LaneKind kind) const noexcept {
  switch (kind) {
    case LaneKind::kIo:
      return lanes_.io();
    case LaneKind::kModel:
      return lanes_.model();
    case LaneKind::kCpu:
      break;
  }
  return lanes_.cpu();
}

std::size_t ThreadExecutor::width(LaneKind kind) const noexcept { return lane(kind).threads(); }

Result<void> ThreadExecutor::post(LaneKind kind, Lane::Task task) {
  return lane(kind).post(std::move(task));
}

std::chrono::nanoseconds ThreadExecutor::pause(SteadyTime, SteadyTime until, std::stop_token stop) {
  wait_until(until, std::move(stop));
  return std::chrono::nanoseconds(0);
}

Result<void> CallerExecutor::post(LaneKind, Lane::Task task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  return {};
}

std::chrono::nanoseconds CallerExecutor::pause(SteadyTime, SteadyTime until, std::stop_token stop) {
  wait_until(until, std::move(stop));
  return std::chrono::nanoseconds(0);
}

bool CallerExecutor::work_one() {
  Lane::Task task;
  {
    const std::lock_guard lock(mutex_);
    if (tasks_.empty()) return false;
    task = std::move(tasks_.front());
    tasks_.pop_front();
  }
  task();
  return true;
}

Result<void> VirtualExecutor::post(LaneKind, Lane::Task task) {
  time_.at(time_.steady_now(), std::move(task));
  return {};
}

std::chrono::nanoseconds VirtualExecutor::pause(SteadyTime now, SteadyTime until, std::stop_token) {
  return until - now;
}

}  // namespace weft::planner
