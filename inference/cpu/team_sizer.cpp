#include "inference/cpu/team_sizer.h"

#include <algorithm>

namespace weft::inference::cpu {

double TeamSizer::Work::rate(std::size_t threads) const noexcept {
  // As if thread 0's share of the work were as large as each other's: where threads take parts as
  // they come, a slow team is judged a little too well.
  return static_cast<double>(threads) * static_cast<double>(worked.count()) /
         static_cast<double>(wall.count());
}

void TeamSizer::ran(Time now, std::size_t threads, Time wall, Time worked) noexcept {
  Work& work = threads == threads_ ? of_team_ : of_one_;
  work.wall += wall;
  work.worked += worked;
  if (threads != threads_ || of_team_.wall < kJudged) return;
  // One thread does at most 1; what it does on this machine is known once it ran alone.
  const double alone = of_one_.wall >= kJudged ? of_one_.rate(1) : 1;
  const bool team_pays = of_team_.rate(threads_) >= alone;
  of_team_ = {};
  on_trial_ = !team_pays;
  if (team_pays) {
    alone_ /= 4;                           // not forgotten at once: the load may come and go
    if (alone_ < kAloneMin) of_one_ = {};  // whatever it did is long ago
    return;
  }
  of_one_ = {};
  alone_ = std::clamp(4 * alone_, kAloneMin, kAloneMax);
  alone_until_ = now + alone_;
}

}  // namespace weft::inference::cpu
