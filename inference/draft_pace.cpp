#include "inference/draft_pace.h"

namespace weft::inference {
namespace {

constexpr std::size_t kRestMax = 16;  // steps

}  // namespace

void DraftPace::learn(std::size_t drafted, std::size_t accepted) noexcept {
  if (accepted == drafted) {
    length_ = std::min(2 * length_, most_);
  } else {
    length_ = std::min(std::max<std::size_t>(accepted + 1, 2), most_);
  }
  if (accepted != 0) {
    failures_ = 0;
    return;
  }
  ++failures_;
  // The first failure is chance; from then on each rest is twice the one before.
  if (failures_ > 1)
    resting_ = std::min(kRestMax, std::size_t{1} << std::min<std::size_t>(failures_ - 1, 5));
}

}  // namespace weft::inference
