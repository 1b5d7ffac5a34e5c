#include "inference/cpu/kv_blocks.h"

#include <cstdlib>
#include <cstring>
#include <new>

namespace weft::inference::cpu {
namespace {

constexpr std::size_t kAlignment = 64;  // a cache line, the widest vector

KvBlock allocate(std::size_t bytes) {
  void* memory = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (memory == nullptr) throw std::bad_alloc();
  return KvBlock(memory, [](void* p) { std::free(p); });
}

}  // namespace

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
