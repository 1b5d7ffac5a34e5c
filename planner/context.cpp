#include "planner/context.h"

#include <algorithm>

#include "planner/executor.h"
#include "planner/run_state.h"

namespace weft::planner {

SteadyTime Ctx::now() const { return executor_->clock().steady_now() + simulated_; }

Timers& Ctx::timers() const noexcept { return executor_->timers(); }

Result<void> Ctx::check() const {
  // The deadline first: it stops the scope, too.
  const std::optional<SteadyTime> deadline = scope_->deadline();
  if (deadline && now() >= *deadline) {
    return Error{ErrorCode::kDeadlineExceeded, "the time is up"};
  }
  return scope_->check();
}

void Ctx::spend(const Spend& amount) { used_ = used_.value_or(Spend{}) + amount; }

Random& Ctx::random() {
  if (!random_) random_.emplace(seed_, Random::stream_of(path() + "#" + std::to_string(attempt_)));
  return *random_;
}

std::uint64_t Ctx::seed(std::uint64_t own) const {
  const std::string where = path();
  const bool is_one_of_many = where.find('[') != std::string::npos;  // no name has it
  if (seed_ == 0 && attempt_ == 1 && !is_one_of_many) return own;
  const std::string what =
      std::to_string(seed_) + " " + where + "#" + std::to_string(attempt_) + "#seed";
  return Random(own, Random::stream_of(what)).next();
}

Result<void> Ctx::sleep_for(std::chrono::nanoseconds duration) {
  WEFT_TRY_VOID(check());
  if (duration.count() <= 0) return {};
  SteadyTime until = saturating_add(now(), duration);
  const std::optional<SteadyTime> deadline = scope_->deadline();
  if (deadline) until = std::min(until, *deadline);
  simulated_ += executor_->pause(now(), until, scope_->stop_token());
  return check();
}

std::string Ctx::path() const { return frame_->path(node_); }

}  // namespace weft::planner
