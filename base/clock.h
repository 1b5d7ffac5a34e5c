#pragma once
// The time, handed in: what needs a deadline or a date takes a Clock, so that a test can set it.

#include <chrono>
#include <string>

namespace weft {

using SteadyTime = std::chrono::steady_clock::time_point;
using UnixTime = std::chrono::system_clock::time_point;

/// May be read from any number of threads at once.
class Clock {
 public:
  virtual ~Clock() = default;

  virtual SteadyTime steady_now() const = 0;  // for durations and deadlines; never goes back
  virtual UnixTime unix_now() const = 0;      // for people and records; may jump
};

class SystemClock final : public Clock {
 public:
  SteadyTime steady_now() const override;
  UnixTime unix_now() const override;
};

/// `time` + `duration`, or the last representable time: "no limit" is a long duration. `duration`
/// >= 0.
constexpr SteadyTime saturating_add(SteadyTime time, std::chrono::nanoseconds duration) noexcept {
  return duration > SteadyTime::max() - time ? SteadyTime::max() : time + duration;
}

/// RFC 3339 in UTC, to the second: "2026-11-23T18:07:01Z".
std::string to_rfc3339(UnixTime time);

}  // namespace weft
