#pragma once
// Blocks of keys and values in this machine's memory, as the attention kernels read them: fp16;
// keys stand (head width, 64 tokens), so that scores vectorise over tokens, values (64, head
// width). A block holds all layers and KV heads.

#include <cstddef>
#include <cstdint>

#include "inference/kv_cache.h"

namespace weft::inference::cpu {

struct KvShape {
  std::size_t layers = 0;
  std::size_t kv_heads = 0;
  std::size_t head_width = 0;
};

class KvBlocks final : public KvMemory {
 public:
  explicit KvBlocks(const KvShape& shape) : shape_(shape) {}

  std::size_t block_bytes() const noexcept override { return block_values() * 2; }
  /// Zeroed.
  KvBlock new_block() const override;
  KvBlock copy(const KvBlock& block) const override;

  /// Keys of a block: (head width, 64), an fp16 each.
  const std::uint16_t* keys(const KvBlock& block, std::size_t layer,
                            std::size_t head) const noexcept {
    return part(block, layer, head);
  }
  /// Values of a block: (64, head width).
  const std::uint16_t* values(const KvBlock& block, std::size_t layer,
                              std::size_t head) const noexcept {
    return part(block, layer, head) + kKvBlockTokens * shape_.head_width;
  }
  /// Stores the key and value, (head width) each, of the token that is `column` of its block.
  /// Threads may store different tokens or heads at once.
  void store(const KvBlock& block, std::size_t column, std::size_t layer, std::size_t head,
             const std::uint16_t* key, const std::uint16_t* value) const noexcept;

 private:
  std::size_t block_values() const noexcept {
    return shape_.layers * shape_.kv_heads * 2 * kKvBlockTokens * shape_.head_width;
  }
  std::uint16_t* part(const KvBlock& block, std::size_t layer, std::size_t head) const noexcept {
    return static_cast<std::uint16_t*>(block.get()) +
           (layer * shape_.kv_heads + head) * 2 * kKvBlockTokens * shape_.head_width;
  }

  KvShape shape_;
};

}  // namespace weft::inference::cpu
