#include "planner/simulated_engine.h"

#include <algorithm>
#include <cmath>

namespace weft::planner {
namespace {

constexpr double kNothing = 1e-9;  // of a second or token: what rounding to ns leaves

}  // namespace

double SimulatedEngine::prefill_seconds(std::int64_t tokens) const {
  if (rates_.prefill_tokens_per_s <= 0) return 0;
  return static_cast<double>(std::max<std::int64_t>(0, tokens)) / rates_.prefill_tokens_per_s;
}

void SimulatedEngine::add(Work work) {
  advance();
  reading_.push_back(std::move(work));
  go_on();
}

void SimulatedEngine::reset() {
  ++turn_;
  reading_.clear();
  decoding_.clear();
}

void SimulatedEngine::advance() {
  const SteadyTime now = timers_.clock().steady_now();
  const double passed = std::chrono::duration<double>(now - at_).count();
  at_ = now;
  if (!reading_.empty()) {
    reading_.front().prefill_seconds -= passed;
  } else if (!decoding_.empty()) {
    const double step = rates_.step(static_cast<int>(decoding_.size()));
    if (step <= 0) return;
    for (Work& work : decoding_) work.tokens -= passed / step;
  }
}

void SimulatedEngine::go_on() {
  std::vector<Work> ended;
  std::erase_if(reading_, [](const Work& work) { return work.is_gone(); });
  std::erase_if(decoding_, [](const Work& work) { return work.is_gone(); });
  while (!reading_.empty() && reading_.front().prefill_seconds <= kNothing) {
    decoding_.push_back(std::move(reading_.front()));
    reading_.pop_front();
  }
  const bool is_free = rates_.step(1) <= 0;  // nothing is known of decoding
  const auto left = std::stable_partition(decoding_.begin(), decoding_.end(), [&](const Work& w) {
    return w.tokens > kNothing && !is_free;
  });
  std::move(left, decoding_.end(), std::back_inserter(ended));
  decoding_.erase(left, decoding_.end());

  ++turn_;
  double wait = 0;
  if (!reading_.empty()) {
    wait = reading_.front().prefill_seconds;
  } else if (!decoding_.empty()) {
    const auto first = std::ranges::min_element(decoding_, {}, &Work::tokens);
    wait = first->tokens * rates_.step(static_cast<int>(decoding_.size()));
  }
  if (!reading_.empty() || !decoding_.empty()) {
    const std::chrono::nanoseconds rounded(static_cast<std::int64_t>(std::ceil(wait * 1e9)));
    const auto when = saturating_add(at_, std::max(rounded, std::chrono::nanoseconds(1)));
    timers_.at(when, [this, turn = turn_] {
      if (turn != turn_) return;
      advance();
      go_on();
    });
  }
  // Last: what ends may start others here.
  for (Work& work : ended) work.done();
}

}  // namespace weft::planner
