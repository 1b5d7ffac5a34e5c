#pragma once
// Keys and values of the tokens that a session has read: fp16, in blocks of 64 tokens that sessions
// share until one of them writes. A block holds all layers and KV heads.
// Keys stand (head width, 64 tokens), so that scores vectorise over tokens; values (64, head
// width).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace weft::inference {

struct KvShape {
  std::size_t layers = 0;
  std::size_t kv_heads = 0;
  std::size_t head_width = 0;
};

/// Copying shares the blocks. Needs itself alone; copies are independent of each other.
class KvCache {
 public:
  static constexpr std::size_t kBlockTokens = 64;
  using Block = std::shared_ptr<std::uint16_t[]>;

  explicit KvCache(const KvShape& shape) : shape_(shape) {}

  /// Makes room to write tokens [length, new_length) and counts them as held: new blocks are
  /// zeroed, a partial last block that is shared is copied first. Precondition: new_length >=
  /// length().
  void extend(std::size_t new_length);
  /// Drops all blocks past the first `new_length` tokens. Precondition: new_length <= length().
  void truncate(std::size_t new_length) noexcept;

  std::size_t length() const noexcept { return length_; }
  std::size_t blocks() const noexcept { return blocks_.size(); }
  std::size_t size_bytes() const noexcept { return blocks_.size() * block_values() * 2; }
  std::size_t block_bytes() const noexcept { return block_values() * 2; }
  /// How many caches hold block `i`.
  long owners(std::size_t i) const noexcept { return blocks_[i].use_count(); }

  const Block& block(std::size_t i) const noexcept { return blocks_[i]; }
  /// Adds a block of another cache of the same shape, of which the first `tokens` (1..64) are held.
  /// Precondition: length() is whole blocks.
  void append_block(const Block& block, std::size_t tokens);

  /// Keys of block `i`: (head width, 64), an fp16 each.
  const std::uint16_t* keys(std::size_t i, std::size_t layer, std::size_t head) const noexcept {
    return blocks_[i].get() + offset(layer, head);
  }
  /// Values of block `i`: (64, head width).
  const std::uint16_t* values(std::size_t i, std::size_t layer, std::size_t head) const noexcept {
    return keys(i, layer, head) + kBlockTokens * shape_.head_width;
  }
  /// Stores one token's key and value, (head width) each. `position` is among those of the last
  /// extend(). Threads may store different tokens or heads at once.
  void store(std::size_t position, std::size_t layer, std::size_t head, const std::uint16_t* key,
             const std::uint16_t* value) noexcept;

 private:
  std::size_t block_values() const noexcept {
    return shape_.layers * shape_.kv_heads * 2 * kBlockTokens * shape_.head_width;
  }
  std::size_t offset(std::size_t layer, std::size_t head) const noexcept {
    return (layer * shape_.kv_heads + head) * 2 * kBlockTokens * shape_.head_width;
  }
  Block new_block() const;

  KvShape shape_;
  std::size_t length_ = 0;
  std::vector<Block> blocks_;
};

}  // namespace weft::inference
