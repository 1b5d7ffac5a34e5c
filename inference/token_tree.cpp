#include "inference/token_tree.h"

#include <algorithm>
#include <string>

#include "inference/backend.h"

namespace weft::inference {

std::size_t TokenTree::add(TokenId id, std::size_t parent) {
  ids.push_back(id);
  parents.push_back(parent);
  return ids.size() - 1;
}

std::vector<TokenId> TokenTree::path(std::size_t node) const {
  std::vector<TokenId> path;
  for (; node != kRoot; node = parents[node]) path.push_back(ids[node]);
  std::ranges::reverse(path);
  return path;
}

std::size_t TokenTree::depth() const {
  std::vector<std::size_t> depths(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    depths[i] = parents[i] == kRoot ? 1 : depths[parents[i]] + 1;
  }
  return ids.empty() ? 0 : std::ranges::max(depths);
}

Result<void> validate(const TokenTree& tree) {
  const auto refuse = [](const std::string& reason) {
    return Error{ErrorCode::kInvalidArgument, reason};
  };
  const std::size_t nodes = tree.ids.size();
  if (nodes == 0 || nodes > kStepTokensMax) {
    return refuse("a tree of " + std::to_string(nodes) +
                  " tokens can't be read in one pass: 1 to " + std::to_string(kStepTokensMax) +
                  " can");
  }
  if (tree.parents.size() != nodes) {
    return refuse("a tree of " + std::to_string(nodes) + " tokens has " +
                  std::to_string(tree.parents.size()) + " parents: each token needs one");
  }
  for (std::size_t i = 0; i < nodes; ++i) {
    if (tree.parents[i] == TokenTree::kRoot || tree.parents[i] < i) continue;
    return refuse("the parent of the tree's node " + std::to_string(i) + " is node " +
                  std::to_string(tree.parents[i]) + ": parents come before their children");
  }
  return {};
}

}  // namespace weft::inference
