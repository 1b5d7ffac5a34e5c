#include "inference/prompt_lookup.h"

#include <algorithm>

namespace weft::inference {
namespace {

constexpr std::size_t kSuffixMax = 4;  // tokens; longer ones say no more
constexpr std::size_t kSuffixMin = 2;  // one token stands too often for nothing

/// Where what followed the last occurrence of the last `n` tokens begins; 0 if there is none.
std::size_t find_before(std::span<const TokenId> tokens, std::size_t n) {
  const auto suffix = tokens.last(n);
  for (std::size_t end = tokens.size() - 1; end >= n; --end) {
    if (std::ranges::equal(tokens.subspan(end - n, n), suffix)) return end;
  }
  return 0;
}

}  // namespace

std::span<const TokenId> PromptLookup::draft(std::span<const TokenId> tokens,
                                             std::size_t most) const {
  most = std::min(most, pace_.length());
  if (most == 0) return {};
  for (std::size_t n = kSuffixMax; n >= kSuffixMin; --n) {
    if (tokens.size() <= n) continue;
    const std::size_t begin = find_before(tokens, n);
    if (begin != 0) return tokens.subspan(begin, std::min(most, tokens.size() - begin));
  }
  return {};
}

}  // namespace weft::inference
