#include "base/lanes.h"

#include <algorithm>
#include <utility>

#include "base/guard.h"

namespace weft {
namespace {

Lane::Options corrected(Lane::Options options) {
  options.threads = std::max<std::size_t>(1, options.threads);
  options.queue_max = std::max<std::size_t>(1, options.queue_max);
  return options;
}

Lane::Options lane_options(const Lanes::Options& options, std::string name, std::size_t threads) {
  return {.name = std::move(name),
          .threads = threads,
          .queue_max = options.queue_max,
          .on_failure = options.on_failure};
}

}  // namespace

Lane::Lane(Options options) : options_(corrected(std::move(options))) {
  threads_.reserve(options_.threads);
  for (std::size_t i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { run(); });
}

void Lane::close() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

Result<void> Lane::post(Task task) {
  if (!task) return Error{ErrorCode::kInvalidArgument, "an empty task was posted"};
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return Error{ErrorCode::kCancelled, "lane " + options_.name + " is closing"};
    if (queue_.size() >= options_.queue_max) {
      return Error{ErrorCode::kResourceExhausted,
                   "lane " + options_.name + " is full: " + std::to_string(options_.queue_max) +
                       " tasks wait; try again later or raise its queue_max"};
    }
    queue_.push_back(std::move(task));
  }
  wake_.notify_one();
  return {};
}

void Lane::run() {
  while (true) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    const Result<void> outcome = guarded([&] { task(); });
    if (!outcome && options_.on_failure) {
      (void)guarded([&] { options_.on_failure(options_.name, outcome.error()); });
    }
  }
}

Lanes::Lanes(const Options& options)
    : cpu_(lane_options(options, "cpu", options.cpu_threads)),
      io_(lane_options(options, "io", options.io_threads)),
      model_(lane_options(options, "model", 1)) {}

Lanes::~Lanes() {
  io_.close();
  model_.close();
  cpu_.close();
}

}  // namespace weft
