#pragma once
// Blocks of keys and values in this machine's memory, as the attention kernels read them: keys
// stand (head width, 64 tokens), so that scores vectorise over tokens, values (64, head width). A
// block holds all layers and KV heads, or, of a layer program that is longer, all its steps. Kept
// as fp16, or as q8_0: a byte a value and, for each 32 values of a head, an fp16 scale.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "inference/backend.h"
#include "inference/cpu/vector_kernels.h"
#include "inference/kv_cache.h"

namespace weft::inference::cpu {

struct KvShape {
  std::size_t layers = 0;
  std::size_t kv_heads = 0;
  std::size_t head_width = 0;
};

class KvBlocks final : public KvMemory {
 public:
  explicit KvBlocks(const KvShape& shape, KvType type = KvType::kF16)
      : shape_(shape), type_(type) {}

  KvType type() const noexcept { return type_; }

  std::size_t block_bytes() const noexcept override {
    return shape_.layers * shape_.kv_heads * part_bytes();
  }
  /// Zeroed.
  KvBlock new_block() const override;
  KvBlock copy(const KvBlock& block) const override;
  std::shared_ptr<const KvMemory> for_steps(std::size_t steps) const override {
    return std::make_shared<KvBlocks>(
        KvShape{std::max(steps, shape_.layers), shape_.kv_heads, shape_.head_width}, type_);
  }

  /// Scores and weighted values of a head's block, as VectorKernels has them, of either type.
  void attention_scores(const KvBlock& block, std::size_t layer, std::size_t head,
                        const VectorKernels& kernels, const float* queries, std::size_t rows,
                        std::size_t positions, float* scores, std::size_t stride) const noexcept;
  void attention_values(const KvBlock& block, std::size_t layer, std::size_t head,
                        const VectorKernels& kernels, const float* weights, std::size_t stride,
                        std::size_t rows, std::size_t positions, float* out) const noexcept;

  /// Of kF16. Keys of a block: (head width, 64).
  const std::uint16_t* keys(const KvBlock& block, std::size_t layer,
                            std::size_t head) const noexcept {
    return part(block, layer, head);
  }
  /// Values of a block: (64, head width).
  const std::uint16_t* values(const KvBlock& block, std::size_t layer,
                              std::size_t head) const noexcept {
    return part(block, layer, head) + kKvBlockTokens * shape_.head_width;
  }

  /// Of kQ8_0. Quantises and stores, as the other store().
  void store(const KvBlock& block, std::size_t column, std::size_t layer, std::size_t head,
             const float* key, const float* value) const noexcept;
  /// Of kF16. Stores the key and value, (head width) each, of the token that is `column` of its
  /// block. Threads may store different tokens or heads at once.
  void store(const KvBlock& block, std::size_t column, std::size_t layer, std::size_t head,
             const std::uint16_t* key, const std::uint16_t* value) const noexcept;

 private:
  std::size_t scales() const noexcept {
    return (shape_.head_width + kKvScaleValues - 1) / kKvScaleValues;
  }  // of a token
  /// Keys and values of one head; of kQ8_0 bytes of keys, then of values, then scales of keys
  /// (scales(), 64) and of values (64, scales()).
  std::size_t part_bytes() const noexcept {
    const std::size_t values = 2 * kKvBlockTokens * shape_.head_width;
    return type_ == KvType::kF16 ? values * 2 : values + 2 * kKvBlockTokens * scales() * 2;
  }
  std::byte* bytes(const KvBlock& block, std::size_t layer, std::size_t head) const noexcept {
    return static_cast<std::byte*>(block.get()) + (layer * shape_.kv_heads + head) * part_bytes();
  }
  std::uint16_t* part(const KvBlock& block, std::size_t layer, std::size_t head) const noexcept {
    return reinterpret_cast<std::uint16_t*>(bytes(block, layer, head));
  }
  struct Packed {
    std::int8_t *keys, *values;
    std::uint16_t *key_scales, *value_scales;
  };
  Packed packed(const KvBlock& block, std::size_t layer, std::size_t head) const noexcept;

  KvShape shape_;
  KvType type_;
};

}  // namespace weft::inference::cpu
