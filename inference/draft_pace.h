#pragma once
// How long drafts of one source are to be: good ones grow, bad ones shrink, and after several bad
// ones some steps go without. Private to inference.

#include <algorithm>
#include <cstddef>

namespace weft::inference {

class DraftPace {
 public:
  /// Drafts have at most `most` tokens; 0 drafts nothing.
  explicit DraftPace(std::size_t most) : most_(most), length_(std::min(kFirst, most)) {}

  /// Of the next draft; 0 while it rests.
  std::size_t length() const noexcept { return resting_ != 0 ? 0 : length_; }
  /// How many tokens of the last draft the model agreed with.
  void learn(std::size_t drafted, std::size_t accepted) noexcept;
  /// A step without a draft has passed.
  void rest() noexcept {
    if (resting_ != 0) --resting_;
  }

 private:
  static constexpr std::size_t kFirst = 4;

  std::size_t most_;
  std::size_t length_;
  std::size_t failures_ = 0;  // in a row
  std::size_t resting_ = 0;   // steps still to go without
};

}  // namespace weft::inference
