#pragma once
// A token tree as slices of one step. Private to inference.

#include <cstddef>
#include <optional>
#include <vector>

#include "inference/backend.h"
#include "inference/token.h"
#include "inference/token_tree.h"

namespace weft::inference {

/// One way down the tree from where it leaves an earlier one, for a slice of a step.
struct TreeBranch {
  std::vector<TokenId> ids;
  std::vector<std::size_t> nodes;   // of the ids
  std::optional<Slice::Fork> fork;  // by index among the branches; none: from the root
};
/// The fewest branches: a node's first child goes on in its branch. Each node is in one.
/// Precondition: the tree is valid.
std::vector<TreeBranch> branches_of(const TokenTree& tree);

}  // namespace weft::inference
