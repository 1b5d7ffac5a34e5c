#pragma once
// Scores of a vocabulary's tokens, by id, in little memory. Most scores fall by one from one id to
// the next, as merges were learnt; so runs of equal steps are kept. Private to inference.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "inference/token.h"

namespace weft::inference {

/// Const members may run at once.
class TokenScores {
 public:
  static constexpr float kNone = -std::numeric_limits<float>::infinity();

  /// Precondition: `id` is above those added before, `score` is finite.
  void add(TokenId id, float score);
  /// kNone for an id that wasn't added.
  float find(TokenId id) const noexcept;
  void shrink_to_fit() { runs_.shrink_to_fit(); }

 private:
  struct Run {
    TokenId first = 0;
    std::uint32_t count = 0;
    float score = 0;  // of the first
    float step = 0;   // from one to the next

    float at(std::size_t i) const noexcept {  // the product is exact, so the sum is rounded once
      return static_cast<float>(static_cast<double>(score) +
                                static_cast<double>(step) * static_cast<double>(i));
    }
  };

  std::vector<Run> runs_;  // in order of the ids
};

}  // namespace weft::inference
