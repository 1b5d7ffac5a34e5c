#include "inference/kv_cache.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <new>

namespace weft::inference {
namespace {
constexpr std::size_t kAlignment = 64;  // a cache line, the widest vector
}

KvCache::Block KvCache::new_block() const {
  const std::size_t bytes = (block_values() * 2 + kAlignment - 1) / kAlignment * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  // Zeroed: the kernels multiply masked positions by 0, which only finite numbers survive.
  std::memset(memory, 0, bytes);
  return Block(static_cast<std::uint16_t*>(memory), [](std::uint16_t* p) { std::free(p); });
}

void KvCache::extend(std::size_t new_length) {
  assert(new_length >= length_);
  const std::size_t partial = length_ % kBlockTokens;
  if (new_length > length_ && partial != 0 && blocks_.back().use_count() > 1) {
    Block copy = new_block();
    std::memcpy(copy.get(), blocks_.back().get(), block_values() * 2);
    blocks_.back() = std::move(copy);
  }
  const std::size_t needed = (new_length + kBlockTokens - 1) / kBlockTokens;
  blocks_.reserve(needed);
  while (blocks_.size() < needed) blocks_.push_back(new_block());
  length_ = new_length;
}

void KvCache::append_block(const Block& block, std::size_t tokens) {
  assert(length_ % kBlockTokens == 0 && tokens >= 1 && tokens <= kBlockTokens);
  blocks_.push_back(block);
  length_ += tokens;
}

void KvCache::truncate(std::size_t new_length) noexcept {
  assert(new_length <= length_);
  blocks_.resize((new_length + kBlockTokens - 1) / kBlockTokens);
  length_ = new_length;
}

void KvCache::store(std::size_t position, std::size_t layer, std::size_t head,
                    const std::uint16_t* key, const std::uint16_t* value) noexcept {
  std::uint16_t* block = blocks_[position / kBlockTokens].get() + offset(layer, head);
  const std::size_t column = position % kBlockTokens;
  for (std::size_t d = 0; d < shape_.head_width; ++d) block[d * kBlockTokens + column] = key[d];
  std::uint16_t* values = block + kBlockTokens * shape_.head_width;
  std::memcpy(values + column * shape_.head_width, value, shape_.head_width * 2);
}

}  // namespace weft::inference
