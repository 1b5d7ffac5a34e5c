#pragma once
// What a node's code knows about its run: when to stop, what it may spend, what time it is.

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "base/scope.h"
#include "base/timers.h"

namespace weft::planner {

class Executor;
struct Frame;

/// One attempt at one node. For one thread at a time.
class Ctx {
 public:
  /// Stops with the run, the scope or a sibling's failure, and when the attempt's time is up.
  std::stop_token stop() const { return scope_->stop_token(); }
  /// Errors: kCancelled, kDeadlineExceeded.
  Result<void> check() const;
  /// What this node draws from, beside what its policy has set aside.
  Scope& scope() const noexcept { return *scope_; }
  /// Adds to what this attempt reports as spent; see Policy::cost.
  void spend(const Spend& amount);

  /// Numbers of this node's own: they depend on the run's seed, the path and the attempt alone.
  Random& random();
  /// A seed to hand on to who draws for this node, such as a model: `own`, the node's, as it stands
  /// or, in the passes of a loop and the elements of a map, in later attempts and in runs that have
  /// a seed, one of their own that is made of it. The same whenever this attempt is run again.
  std::uint64_t seed(std::uint64_t own) const;
  SteadyTime now() const;
  /// Waits, on a virtual clock without waiting. Errors: kCancelled, kDeadlineExceeded, at once.
  Result<void> sleep_for(std::chrono::nanoseconds duration);

  /// A document that this node's value is made from: Trace::forget() of it reaches the run.
  void cite(std::string document) { documents_.push_back(std::move(document)); }

  /// For code that ends later.
  Timers& timers() const noexcept;

  /// The node's name behind those it is in, such as "refine[2]/fix".
  std::string path() const;
  int attempt() const noexcept { return attempt_; }  // from 1

 private:
  friend class RunState;
  friend class Attempt;

  Executor* executor_ = nullptr;
  const Frame* frame_ = nullptr;
  std::uint32_t node_ = 0;
  int attempt_ = 1;
  std::uint64_t seed_ = 0;
  Scope* scope_ = nullptr;
  std::chrono::nanoseconds simulated_{0};  // of sleep_for() on a virtual clock
  std::optional<Spend> used_;
  std::optional<Random> random_;
  std::vector<std::string> documents_;
};

}  // namespace weft::planner
