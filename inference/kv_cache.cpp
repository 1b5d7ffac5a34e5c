#include "inference/kv_cache.h"

#include <algorithm>
#include <cassert>

namespace weft::inference {
namespace {

/// Whether no other cache holds `block`. Then what others did with it has happened before: they may
/// be on other threads, and use_count() alone orders nothing, but another owner's increment does,
/// being acquire-release in libstdc++ as the decrements are.
bool is_alone(const KvBlock& block) {
  const KvBlock second = block;
  return second.use_count() == 2;
}

}  // namespace

void KvCache::extend(std::size_t new_length) {
  assert(new_length >= length_);
  const std::size_t partial = length_ % kKvBlockTokens;
  if (new_length > length_ && partial != 0 && !is_alone(blocks_.back())) {
    blocks_.back() = memory_->copy(blocks_.back());
  }
  const std::size_t needed = (new_length + kKvBlockTokens - 1) / kKvBlockTokens;
  blocks_.reserve(needed);
  while (blocks_.size() < needed) blocks_.push_back(memory_->new_block());
  length_ = new_length;
}

void KvCache::append_block(const KvBlock& block, std::size_t tokens) {
  assert(length_ % kKvBlockTokens == 0 && tokens >= 1 && tokens <= kKvBlockTokens);
  blocks_.push_back(block);
  length_ += tokens;
}

void KvCache::truncate(std::size_t new_length) noexcept {
  assert(new_length <= length_);
  blocks_.resize((new_length + kKvBlockTokens - 1) / kKvBlockTokens);
  length_ = new_length;
  if (new_length == 0) kept_min_ = 0;
}

void KvCache::drop(std::size_t begin, std::size_t end, std::size_t kept_min) noexcept {
  assert(end <= kept_min && kept_min <= length_);
  for (std::size_t i = (begin + kKvBlockTokens - 1) / kKvBlockTokens; i < end / kKvBlockTokens;
       ++i) {
    if (blocks_[i] == nullptr) continue;
    blocks_[i].reset();
    kept_min_ = kept_min;
  }
}

std::size_t KvCache::size_bytes() const noexcept {
  const auto dropped = std::ranges::count(blocks_, nullptr);
  return (blocks_.size() - static_cast<std::size_t>(dropped)) * memory_->block_bytes();
}

}  // namespace weft::inference
