#include "inference/prefix_cache.h"

#include <algorithm>
#include <cassert>

namespace weft::inference {

/// One block and the tokens in it; the last of a branch may hold fewer than 64. The path from the
/// root spells the prefix.
struct PrefixCache::Node {
  Space space;  // of a root
  std::vector<TokenId> tokens;
  KvBlock block;
  std::size_t bytes = 0;  // of the block
  std::uint64_t last_used = 0;
  std::uint64_t next_use = kUnknownUse;
  std::vector<std::unique_ptr<Node>> children;

  std::size_t common(std::span<const TokenId> ids) const {
    return static_cast<std::size_t>(std::ranges::mismatch(tokens, ids).in1 - tokens.begin());
  }
  /// The child that shares most with `ids`, and how many tokens.
  std::pair<Node*, std::size_t> best(std::span<const TokenId> ids) const {
    std::pair<Node*, std::size_t> found{nullptr, 0};
    for (const auto& child : children) {
      const std::size_t n = child->common(ids);
      if (n > found.second) found = {child.get(), n};
    }
    return found;
  }
  bool evicted_before(const Node& other) const {
    return next_use != other.next_use ? next_use > other.next_use : last_used < other.last_used;
  }
};

PrefixCache::PrefixCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

PrefixCache::~PrefixCache() = default;

std::size_t PrefixCache::size_bytes() const noexcept {
  const std::scoped_lock lock(mutex_);
  return bytes_;
}

PrefixCache::Node& PrefixCache::root(const Space& space) {
  for (const auto& root : roots_) {
    if (root->space == space) return *root;
  }
  auto& made = roots_.emplace_back(std::make_unique<Node>());
  made->space = space;
  return *made;
}

KvCache PrefixCache::find(const Space& space, std::span<const TokenId> ids,
                          std::shared_ptr<const KvMemory> memory) {
  KvCache found(std::move(memory));
  const std::scoped_lock lock(mutex_);
  ++now_;
  for (const Node* node = &root(space); !ids.empty();) {
    const auto [child, n] = node->best(ids);
    if (child == nullptr) break;
    child->last_used = now_;
    child->next_use = kUnknownUse;
    found.append_block(child->block, n);
    if (n < kKvBlockTokens) break;
    ids = ids.subspan(n);
    node = child;
  }
  return found;
}

void PrefixCache::insert(const Space& space, std::span<const TokenId> ids, const KvCache& cache) {
  assert(cache.length() >= ids.size());
  if (bytes_max_ == 0 || cache.memory().truncate_max() != KvMemory::kNoLimit) return;
  if (!cache.is_whole()) return;  // nor is its beginning then
  const std::scoped_lock lock(mutex_);
  ++now_;
  Node* node = &root(space);
  for (std::size_t b = 0; !ids.empty(); ++b) {
    const auto part = ids.first(std::min(kKvBlockTokens, ids.size()));
    ids = ids.subspan(part.size());
    auto [child, n] = node->best(part);
    if (n < part.size()) {
      // Another branch, unless the child was a beginning of this one: then it grows.
      if (child == nullptr || n < child->tokens.size()) {
        child = node->children.emplace_back(std::make_unique<Node>()).get();
        child->bytes = cache.memory().block_bytes();
        bytes_ += child->bytes;
      }
      child->tokens.assign(part.begin(), part.end());
      child->block = cache.block(b);
    }
    child->last_used = now_;
    node = child;
  }
  evict_until(bytes_max_);
}

void PrefixCache::expect(const Space& space, std::span<const TokenId> ids, std::uint64_t steps) {
  const std::scoped_lock lock(mutex_);
  for (const Node* node = &root(space); !ids.empty();) {
    const auto [child, n] = node->best(ids);
    if (child == nullptr) break;
    child->next_use = std::min(child->next_use, steps);
    if (n < kKvBlockTokens) break;
    ids = ids.subspan(n);
    node = child;
  }
}

void PrefixCache::shrink(std::size_t bytes) {
  const std::scoped_lock lock(mutex_);
  evict_until(bytes);
}

void PrefixCache::evict_until(std::size_t bytes) {
  while (bytes_ > bytes) evict_one();
}

void PrefixCache::evict_one() {
  Victim best;
  for (const auto& root : roots_) find_victim(*root, best);
  bytes_ -= best.parent->children[best.child]->bytes;
  best.parent->children.erase(best.parent->children.begin() +
                              static_cast<std::ptrdiff_t>(best.child));
}

/// Only leaves go: a block without those before it is of no use.
void PrefixCache::find_victim(Node& node, Victim& best) {
  for (std::size_t i = 0; i < node.children.size(); ++i) {
    Node& child = *node.children[i];
    if (!child.children.empty()) {
      find_victim(child, best);
    } else if (best.parent == nullptr || child.evicted_before(*best.parent->children[best.child])) {
      best = {&node, i};
    }
  }
}

}  // namespace weft::inference
