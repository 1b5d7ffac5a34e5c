#pragma once
// Whether a team of threads pays at the moment. On a machine that is busy elsewhere the threads of
// a team seldom run at once, and each barrier then waits for the one that was put aside. So it is
// watched how much work gets done: where a team does less than one thread alone, runs are left to
// one thread for a while, and then the team is tried again. Results don't depend on it.

#include <chrono>
#include <cstddef>

namespace weft::inference::cpu {

/// A state machine; its user tells it the time. Needs itself alone.
class TeamSizer {
 public:
  using Time = std::chrono::nanoseconds;  // since any fixed moment, for points in time

  static constexpr Time kJudged = std::chrono::milliseconds(4);  // of runs, before each verdict
  static constexpr Time kAloneMin = std::chrono::milliseconds(250);
  static constexpr Time kAloneMax = std::chrono::seconds(4);

  explicit TeamSizer(std::size_t threads) noexcept : threads_(threads) {}

  /// How many threads a run that starts at `now` should have: all or one.
  std::size_t next(Time now) const noexcept { return now < alone_until_ ? 1 : threads_; }
  /// Whether the next run of all threads follows a verdict against them: it should be a trial.
  bool on_trial() const noexcept { return on_trial_; }

  /// A run of `threads` (all or one) ended at `now`; it took `wall`, during which thread 0 was on a
  /// CPU and not waiting for `worked`.
  void ran(Time now, std::size_t threads, Time wall, Time worked) noexcept;

 private:
  struct Work {
    Time wall{0};
    Time worked{0};
    double rate(std::size_t threads) const noexcept;  // of one thread that is never put aside
  };
  std::size_t threads_;
  Work of_team_;   // since the last verdict
  Work of_one_;    // while the last verdict against the team held
  Time alone_{0};  // how long it held
  Time alone_until_{Time::min()};
  bool on_trial_ = false;
};

}  // namespace weft::inference::cpu
