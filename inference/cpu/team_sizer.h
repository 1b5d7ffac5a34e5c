#pragma once
// Whether a team of threads pays at the moment. On a machine that is busy elsewhere the threads of
// a team seldom run at once, and each barrier then waits for the one that was put aside. So the
// time that thread 0 waits is watched: once a team is slower than one thread would be, runs are
// left to one thread for a while, and then the team is tried again. Results don't depend on it.

#include <chrono>
#include <cstddef>

namespace weft::inference::cpu {

/// A state machine; its user tells it the time. Needs itself alone.
class TeamSizer {
 public:
  using Time = std::chrono::nanoseconds;  // since any fixed moment, for points in time

  static constexpr Time kJudged = std::chrono::milliseconds(4);  // of runs, before each verdict
  static constexpr Time kAloneMin = std::chrono::milliseconds(20);
  static constexpr Time kAloneMax = std::chrono::seconds(1);

  explicit TeamSizer(std::size_t threads) noexcept : threads_(threads) {}

  /// How many threads a run that starts at `now` should have: all or one.
  std::size_t next(Time now) const noexcept { return now < alone_until_ ? 1 : threads_; }

  /// A run of all threads ended at `now`; it took `wall`, of which thread 0 waited `waited`.
  void ran(Time now, Time wall, Time waited) noexcept;

 private:
  std::size_t threads_;
  Time wall_{0};
  Time waited_{0};
  Time alone_{0};  // how long the last verdict against the team holds
  Time alone_until_{Time::min()};
};

}  // namespace weft::inference::cpu
