#pragma once
// Several continuations of one sequence as a tree, which is read in one pass: each token sees what
// the sequence has read and its own ancestors, so continuations that begin alike are read once.
// Source: Miao et al. 2024 (SpecInfer), section 3; Cai et al. 2024 (Medusa), section 2.1.2.

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "inference/token.h"

namespace weft::inference {

struct TokenTree {
  static constexpr std::size_t kRoot = static_cast<std::size_t>(-1);

  std::vector<TokenId> ids;
  std::vector<std::size_t> parents;  // an earlier node each, or kRoot: it follows the sequence

  /// A node behind `parent`; returns its index.
  std::size_t add(TokenId id, std::size_t parent = kRoot);
  /// Its ancestors and itself, from the root on. Precondition: the tree is valid.
  std::vector<TokenId> path(std::size_t node) const;
  /// Tokens of the longest path. Precondition: likewise.
  std::size_t depth() const;

  friend bool operator==(const TokenTree&, const TokenTree&) = default;
};

/// Errors: kInvalidArgument for no nodes or more than kStepTokensMax, for parents that aren't one a
/// node or that don't come before it (with its index).
Result<void> validate(const TokenTree& tree);

}  // namespace weft::inference
