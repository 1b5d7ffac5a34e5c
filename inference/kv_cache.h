#pragma once
// Keys and values of the tokens that a sequence has read, in blocks of 64 tokens that sequences
// share until one of them writes. What stands in a block is the backend's business: here are only
// which blocks a sequence has and whose they are.

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

namespace weft::inference {

/// Tokens of a block.
inline constexpr std::size_t kKvBlockTokens = 64;

/// One block: keys and values of all layers and KV heads, in memory of a backend, which alone looks
/// inside. Freed with its last owner.
using KvBlock = std::shared_ptr<void>;

/// Makes blocks. Const members may run at once.
class KvMemory {
 public:
  virtual ~KvMemory() = default;

  virtual std::size_t block_bytes() const noexcept = 0;
  /// Throws std::bad_alloc where there is no memory left.
  virtual KvBlock new_block() const = 0;
  virtual KvBlock copy(const KvBlock& block) const = 0;
  /// The same for tokens that pass `steps` layers, each with keys and values of its own: more than
  /// the model has, where a layer program repeats some. Any thread may call it.
  virtual std::shared_ptr<const KvMemory> for_steps(std::size_t steps) const = 0;
  /// How many of its last tokens a cache can drop and be read on from there, at least those of a
  /// step. Without limit where all layers keep all they have read, as on the CPU; a backend that
  /// drops what a sliding window has left behind can't go back further. All can always be dropped.
  virtual std::size_t truncate_max() const noexcept { return kNoLimit; }
  static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
};

/// Copying shares the blocks. Needs itself alone; copies are independent of each other.
class KvCache {
 public:
  explicit KvCache(std::shared_ptr<const KvMemory> memory) : memory_(std::move(memory)) {}

  /// Makes room to write tokens [length, new_length) and counts them as held; a partial last block
  /// that is shared is copied first. Precondition: new_length >= length().
  void extend(std::size_t new_length);
  /// Whether the first `new_length` tokens can be kept alone. Precondition: as of truncate().
  bool can_truncate(std::size_t new_length) const noexcept {
    return new_length == 0 || new_length >= length_min();
  }
  /// The fewest tokens that can be kept, besides none.
  std::size_t length_min() const noexcept {
    return std::max(kept_min_, length_ - std::min(length_, memory_->truncate_max()));
  }
  /// Drops all blocks past the first `new_length` tokens. Precondition: new_length <= length(), and
  /// can_truncate().
  void truncate(std::size_t new_length) noexcept;

  /// Frees the blocks that lie whole in positions [begin, end), which nobody reads any more; fewer
  /// than `kept_min` tokens can't be kept from then on. Precondition: end <= kept_min <= length().
  void drop(std::size_t begin, std::size_t end, std::size_t kept_min) noexcept;
  /// Whether nothing was dropped.
  bool is_whole() const noexcept { return kept_min_ == 0; }

  std::size_t length() const noexcept { return length_; }
  std::size_t blocks() const noexcept { return blocks_.size(); }
  std::size_t size_bytes() const noexcept;  // of those that weren't dropped
  /// How many caches hold block `i`.
  long owners(std::size_t i) const noexcept { return blocks_[i].use_count(); }

  const KvMemory& memory() const noexcept { return *memory_; }
  const KvBlock& block(std::size_t i) const noexcept { return blocks_[i]; }
  /// Adds a block of another cache of the same memory, of which the first `tokens` (1..64) are
  /// held. Precondition: length() is whole blocks.
  void append_block(const KvBlock& block, std::size_t tokens);

 private:
  std::shared_ptr<const KvMemory> memory_;
  std::size_t length_ = 0;
  std::size_t kept_min_ = 0;     // 0: nothing was dropped
  std::vector<KvBlock> blocks_;  // null where dropped
};

}  // namespace weft::inference
