#pragma once
// Drafts for speculative decoding without a second model: where the last few tokens stood before,
// in the prompt, its passages or the answer, what followed then may follow now. A draft that is
// wrong costs a little time and never changes the output. Source: Saxena 2023 (prompt lookup
// decoding); Leviathan et al. 2023 (speculative decoding).

#include <cstddef>
#include <span>
#include <vector>

#include "inference/token.h"

namespace weft::inference {

class PromptLookup {
 public:
  /// Drafts have at most `draft_max` tokens; 0 drafts nothing.
  explicit PromptLookup(std::size_t draft_max);

  /// What may follow `tokens`, at most `most` tokens; empty if nothing speaks for any. The longest
  /// suffix of 4 to 2 tokens that stood before counts, where it stood last. O(tokens).
  std::span<const TokenId> draft(std::span<const TokenId> tokens, std::size_t most) const;

  /// How many tokens of the last draft the model agreed with. Good drafts grow, bad ones shrink,
  /// and after several bad ones some steps go without.
  void learn(std::size_t drafted, std::size_t accepted) noexcept;
  /// A step without a draft has passed.
  void rest() noexcept;

 private:
  std::size_t draft_max_;
  std::size_t length_;        // of the next draft
  std::size_t failures_ = 0;  // in a row
  std::size_t resting_ = 0;   // steps still to go without
};

}  // namespace weft::inference
