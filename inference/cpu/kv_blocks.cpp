#include "inference/cpu/kv_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>

#include "inference/tensor_type.h"

namespace weft::inference::cpu {
namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, the widest vector

KvBlock allocate(std::size_t bytes) {
  void* memory = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (memory == nullptr) throw std::bad_alloc();
  return KvBlock(memory, [](void* p) { std::free(p); });
}

constexpr std::size_t kScaleValues = 32;

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
    const std::size_t d = s * kScaleValues;
    const std::size_t n = std::min(kScaleValues, width - d);
    to.key_scales[s * kKvBlockTokens + column] =
        quantise(key + d, n, to.keys + d * kKvBlockTokens + column, kKvBlockTokens);
    to.value_scales[column * scales() + s] =
        quantise(value + d, n, to.values + column * width + d, 1);
  }
}

const std::uint16_t* KvBlocks::keys(const KvBlock& block, std::size_t layer, std::size_t head,
                                    const VectorKernels& kernels,
                                    std::vector<std::uint16_t>& unpacked) const {
  if (type_ == KvType::kF16) return keys(block, layer, head);
  const Packed from = packed(block, layer, head);
  unpacked.resize(kKvBlockTokens * shape_.head_width);
  float scale[kKvBlockTokens];
  float row[kKvBlockTokens];
  for (std::size_t d = 0; d < shape_.head_width; ++d) {
    if (d % kScaleValues == 0) {
      const std::uint16_t* halves = from.key_scales + d / kScaleValues * kKvBlockTokens;
      for (std::size_t j = 0; j < kKvBlockTokens; ++j) scale[j] = half_to_float(halves[j]);
    }
    const std::int8_t* q = from.keys + d * kKvBlockTokens;
    for (std::size_t j = 0; j < kKvBlockTokens; ++j) row[j] = scale[j] * static_cast<float>(q[j]);
    kernels.to_half(row, kKvBlockTokens, unpacked.data() + d * kKvBlockTokens);
  }
  return unpacked.data();
}

const std::uint16_t* KvBlocks::values(const KvBlock& block, std::size_t layer, std::size_t head,
                                      const VectorKernels& kernels,
                                      std::vector<std::uint16_t>& unpacked) const {
  if (type_ == KvType::kF16) return values(block, layer, head);
  const Packed from = packed(block, layer, head);
  const std::size_t width = shape_.head_width;
  unpacked.resize(kKvBlockTokens * width);
  float row[kScaleValues];
  for (std::size_t j = 0; j < kKvBlockTokens; ++j) {
    for (std::size_t d = 0; d < width; d += kScaleValues) {
      const std::size_t n = std::min(kScaleValues, width - d);
      const float scale = half_to_float(from.value_scales[j * scales() + d / kScaleValues]);
      const std::int8_t* q = from.values + j * width + d;
      for (std::size_t i = 0; i < n; ++i) row[i] = scale * static_cast<float>(q[i]);
      kernels.to_half(row, n, unpacked.data() + j * width + d);
    }
  }
  return unpacked.data();
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
