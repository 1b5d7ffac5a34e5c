#pragma once
// A clock that stands still until the test moves it. Thread-safe.

#include <atomic>
#include <chrono>

#include "base/clock.h"

namespace weft::test {

class ManualClock final : public Clock {
 public:
  SteadyTime steady_now() const override { return SteadyTime(elapsed_.load()); }
  UnixTime unix_now() const override {
    return UnixTime(std::chrono::duration_cast<UnixTime::duration>(unix_start_ + elapsed_.load()));
  }
  void advance(std::chrono::nanoseconds by) { elapsed_.store(elapsed_.load() + by); }

 private:
  // 2026-01-01T00:00:00Z
  static constexpr std::chrono::nanoseconds unix_start_ = std::chrono::seconds(1'767'225'600);
  std::atomic<std::chrono::nanoseconds> elapsed_{std::chrono::nanoseconds(0)};
};

}  // namespace weft::test
