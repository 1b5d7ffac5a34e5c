#pragma once
// Keys and values of what was read before, found again by its tokens: a radix tree whose nodes are
// KV blocks, so that prompts that begin alike are read once, by whichever session or engine comes
// first. Nodes of different spaces never meet; they share the limit of bytes. Source: Zheng et al.
// 2024 (RadixAttention, SGLang); Pan et al. 2025 (KVFlow, eviction by next use).

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "inference/kv_cache.h"
#include "inference/numerics_id.h"
#include "inference/token.h"

namespace weft::inference {

/// From any thread. Of backends that can't go back (KvMemory::truncate_max) nothing is kept: there
/// a prefix isn't what the beginning of a longer one is.
class PrefixCache {
 public:
  /// What besides the tokens decides which keys and values they have, and who may see them.
  struct Space {
    NumericsId numerics;
    std::uint64_t partition = 0;  // tenant: the caller's numbering
    std::string policy = {};      // policy_of() the hooks

    friend bool operator==(const Space&, const Space&) = default;
  };
  static constexpr std::uint64_t kUnknownUse = std::numeric_limits<std::uint64_t>::max();

  /// Holds blocks of `bytes_max` bytes together; of 0, none.
  explicit PrefixCache(std::size_t bytes_max);
  ~PrefixCache();

  /// A cache in `memory` with the longest known prefix of `ids`. It shares the blocks, the last one
  /// perhaps in part. What it finds counts as used now, and hints on it are spent. Precondition:
  /// `memory` is of a runner of the space's numerics, all of which have blocks alike.
  KvCache find(const Space& space, std::span<const TokenId> ids,
               std::shared_ptr<const KvMemory> memory);

  /// Remembers that `cache` holds `ids` first, then evicts what no longer fits. Of a cache that has
  /// dropped blocks nothing is kept.
  void insert(const Space& space, std::span<const TokenId> ids, const KvCache& cache);

  /// Says when the known prefix of `ids` will be used next, in steps of the caller's own count:
  /// what is needed latest is evicted first, and what nobody expects before all that.
  void expect(const Space& space, std::span<const TokenId> ids, std::uint64_t steps);

  /// Evicts until at most `bytes` are held.
  void shrink(std::size_t bytes);

  std::size_t size_bytes() const noexcept;
  std::size_t bytes_max() const noexcept { return bytes_max_; }

 private:
  struct Node;
  struct Victim {
    Node* parent = nullptr;
    std::size_t child = 0;
  };

  // With the mutex held.
  Node& root(const Space& space);
  void evict_until(std::size_t bytes);
  void evict_one();
  static void find_victim(Node& node, Victim& best);

  const std::size_t bytes_max_;
  mutable std::mutex mutex_;  // of what follows
  std::size_t bytes_ = 0;
  std::uint64_t now_ = 0;
  std::vector<std::unique_ptr<Node>> roots_;  // one a space
};

}  // namespace weft::inference
