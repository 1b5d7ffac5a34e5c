#include "inference/cpu/team_sizer.h"

#include <algorithm>

namespace weft::inference::cpu {

void TeamSizer::ran(Time now, Time wall, Time waited) noexcept {
  wall_ += wall;
  waited_ += waited;
  if (wall_ < kJudged) return;
  // What isn't waiting is thread 0's share of the work, an n-th of it: alone it would take n times
  // that. Both sides are stretched alike when thread 0 itself is put aside.
  const auto n = static_cast<Time::rep>(threads_);
  const bool slower_than_one = wall_ > n * (wall_ - waited_);
  wall_ = waited_ = Time{0};
  if (slower_than_one) {
    alone_ = std::clamp(2 * alone_, kAloneMin, kAloneMax);
    alone_until_ = now + alone_;
  } else {
    alone_ /= 2;  // not forgotten at once: the load may come and go
  }
}

}  // namespace weft::inference::cpu
