#include "inference/tree_branches.h"

namespace weft::inference {

std::vector<TreeBranch> branches_of(const TokenTree& tree) {
  struct Place {
    std::size_t branch;
    std::size_t index;
  };
  std::vector<TreeBranch> branches;
  std::vector<Place> places;
  for (std::size_t i = 0; i < tree.ids.size(); ++i) {
    const std::size_t parent = tree.parents[i];
    if (parent == TokenTree::kRoot) {
      branches.emplace_back();
      places.push_back({branches.size() - 1, 0});
    } else if (const Place at = places[parent]; branches[at.branch].nodes.back() == parent) {
      places.push_back({at.branch, at.index + 1});
    } else {
      branches.emplace_back();
      branches.back().fork = {at.branch, at.index + 1};
      places.push_back({branches.size() - 1, 0});
    }
    TreeBranch& branch = branches[places.back().branch];
    branch.ids.push_back(tree.ids[i]);
    branch.nodes.push_back(i);
  }
  return branches;
}

}  // namespace weft::inference
