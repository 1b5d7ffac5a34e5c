#include "inference/prompt_lookup.h"

#include <algorithm>

namespace weft::inference {
namespace {

constexpr std::size_t kSuffixMax = 4;  // tokens; longer ones say no more
constexpr std::size_t kSuffixMin = 2;  // one token stands too often for nothing
constexpr std::size_t kFirstDraft = 4;
constexpr std::size_t kRestMax = 16;  // steps

/// Where what followed the last occurrence of the last `n` tokens begins; 0 if there is none.
std::size_t find_before(std::span<const TokenId> tokens, std::size_t n) {
  const auto suffix = tokens.last(n);
  for (std::size_t end = tokens.size() - 1; end >= n; --end) {
    if (std::ranges::equal(tokens.subspan(end - n, n), suffix)) return end;
  }
  return 0;
}

}  // namespace

PromptLookup::PromptLookup(std::size_t draft_max)
    : draft_max_(draft_max), length_(std::min(kFirstDraft, draft_max)) {}

std::span<const TokenId> PromptLookup::draft(std::span<const TokenId> tokens,
                                             std::size_t most) const {
  most = std::min(most, length_);
  if (most == 0 || resting_ != 0) return {};
  for (std::size_t n = kSuffixMax; n >= kSuffixMin; --n) {
    if (tokens.size() <= n) continue;
    const std::size_t begin = find_before(tokens, n);
    if (begin != 0) return tokens.subspan(begin, std::min(most, tokens.size() - begin));
  }
  return {};
}

void PromptLookup::learn(std::size_t drafted, std::size_t accepted) noexcept {
  if (accepted == drafted) {
    length_ = std::min(2 * length_, draft_max_);
  } else {
    length_ = std::min(std::max<std::size_t>(accepted + 1, 2), draft_max_);
  }
  if (accepted != 0) {
    failures_ = 0;
    return;
  }
  ++failures_;
  // The first failure is chance; from then on each rest is twice the one before.
  if (failures_ > 1)
    resting_ = std::min(kRestMax, std::size_t{1} << std::min<std::size_t>(failures_ - 1, 5));
}

void PromptLookup::rest() noexcept {
  if (resting_ != 0) --resting_;
}

}  // namespace weft::inference
