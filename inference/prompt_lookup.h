#pragma once
// Drafts for speculative decoding without a second model: where the last few tokens stood before,
// in the prompt, its passages or the answer, what followed then may follow now. A draft that is
// wrong costs a little time and never changes the output. Source: Saxena 2023 (prompt lookup
// decoding); Leviathan et al. 2023 (speculative decoding).

#include <cstddef>
#include <span>
#include <vector>

#include "inference/draft_pace.h"
#include "inference/token.h"

namespace weft::inference {

class PromptLookup {
 public:
  /// Drafts have at most `draft_max` tokens; 0 drafts nothing.
  explicit PromptLookup(std::size_t draft_max) : pace_(draft_max) {}

  /// What may follow `tokens`, at most `most` tokens; empty if nothing speaks for any. The longest
  /// suffix of 4 to 2 tokens that stood before counts, where it stood last. O(tokens).
  std::span<const TokenId> draft(std::span<const TokenId> tokens, std::size_t most) const;

  /// Of those drafts: see DraftPace.
  void learn(std::size_t drafted, std::size_t accepted) noexcept { pace_.learn(drafted, accepted); }
  void rest() noexcept { pace_.rest(); }

 private:
  DraftPace pace_;
};

}  // namespace weft::inference
