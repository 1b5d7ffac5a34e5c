#include "inference/cpu/kv_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

#include "inference/model_config.h"
#include "inference/tensor_type.h"

namespace weft::inference::cpu {
namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, the widest vector
static_assert(kHeadWidthMax <= kKvHeadWidthMax, "what models may have, the kernels take");

KvBlock allocate(std::size_t bytes) {
  void* memory = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (memory == nullptr) throw std::bad_alloc();
  return KvBlock(memory, [](void* p) { std::free(p); });
}

/// Quantises values [0, n) as llama.cpp does for Q8_0, to every `stride`th byte; returns the scale.
std::uint16_t quantise(const float* x, std::size_t n, std::int8_t* to, std::size_t stride) {
  constexpr float kMost = 127;
  float largest = 0;
  for (std::size_t i = 0; i < n; ++i) largest = std::max(largest, std::fabs(x[i]));
  const float factor = largest > 0 ? kMost / largest : 0;
  for (std::size_t i = 0; i < n; ++i) {
    to[i * stride] = static_cast<std::int8_t>(std::nearbyint(x[i] * factor));
  }
  return float_to_half(largest / kMost);
}

}  // namespace

KvBlocks::Packed KvBlocks::packed(const KvBlock& block, std::size_t layer,
                                  std::size_t head) const noexcept {
  const std::size_t values = kKvBlockTokens * shape_.head_width;
  std::byte* at = bytes(block, layer, head);
  auto* keys = reinterpret_cast<std::int8_t*>(at);
  auto* key_scales = reinterpret_cast<std::uint16_t*>(at + 2 * values);
  return {keys, keys + values, key_scales, key_scales + kKvBlockTokens * scales()};
}

void KvBlocks::store(const KvBlock& block, std::size_t column, std::size_t layer, std::size_t head,
                     const float* key, const float* value) const noexcept {
  const Packed to = packed(block, layer, head);
  const std::size_t width = shape_.head_width;
  for (std::size_t s = 0; s < scales(); ++s) {
    const std::size_t d = s * kKvScaleValues;
    const std::size_t n = std::min(kKvScaleValues, width - d);
    to.key_scales[s * kKvBlockTokens + column] =
        quantise(key + d, n, to.keys + d * kKvBlockTokens + column, kKvBlockTokens);
    to.value_scales[column * scales() + s] =
        quantise(value + d, n, to.values + column * width + d, 1);
  }
}

void KvBlocks::attention_scores(const KvBlock& block, std::size_t layer, std::size_t head,
                                const VectorKernels& kernels, const float* queries,
                                std::size_t rows, std::size_t positions, float* scores,
                                std::size_t stride) const noexcept {
  if (type_ == KvType::kF16) {
    kernels.attention_scores(keys(block, layer, head), shape_.head_width, queries, rows, positions,
                             scores, stride);
    return;
  }
  const Packed from = packed(block, layer, head);
  kernels.attention_scores_q8({from.keys, from.key_scales}, shape_.head_width, queries, rows,
                              positions, scores, stride);
}

void KvBlocks::attention_values(const KvBlock& block, std::size_t layer, std::size_t head,
                                const VectorKernels& kernels, const float* weights,
                                std::size_t stride, std::size_t rows, std::size_t positions,
                                float* out) const noexcept {
  if (type_ == KvType::kF16) {
    kernels.attention_values(values(block, layer, head), shape_.head_width, weights, stride, rows,
                             positions, out);
    return;
  }
  const Packed from = packed(block, layer, head);
  kernels.attention_values_q8({from.values, from.value_scales}, shape_.head_width, weights, stride,
                              rows, positions, out);
}

KvBlock KvBlocks::new_block() const {
  KvBlock block = allocate(block_bytes());
  // Zeroed: the kernels multiply masked positions by 0, which only finite numbers survive.
  std::memset(block.get(), 0, block_bytes());
  return block;
}

KvBlock KvBlocks::copy(const KvBlock& block) const {
  KvBlock made = allocate(block_bytes());
  std::memcpy(made.get(), block.get(), block_bytes());
  return made;
}

void KvBlocks::store(const KvBlock& block, std::size_t column, std::size_t layer, std::size_t head,
                     const std::uint16_t* key, const std::uint16_t* value) const noexcept {
  std::uint16_t* keys = part(block, layer, head);
  for (std::size_t d = 0; d < shape_.head_width; ++d) keys[d * kKvBlockTokens + column] = key[d];
  std::uint16_t* values = keys + kKvBlockTokens * shape_.head_width;
  std::memcpy(values + column * shape_.head_width, value, shape_.head_width * 2);
}

}  // namespace weft::inference::cpu
