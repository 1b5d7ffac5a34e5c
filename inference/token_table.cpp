#include "inference/token_table.h"

#include <cstring>
#include <string>

namespace weft::inference {
namespace {

// At two thirds load a run of this length has no chance to form unless somebody made it.
constexpr std::size_t kProbesMax = 512;

std::uint64_t mix(std::uint64_t hash, std::uint64_t word) noexcept {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15U;  // 2^64 / golden ratio
  return hash ^ hash >> 32;
}

std::uint64_t hash_of(std::string_view text) noexcept {
  std::uint64_t hash = text.size();
  while (text.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data(), 8);
    hash = mix(hash, word);
    text.remove_prefix(8);
  }
  std::uint64_t word = 0;
  std::memcpy(&word, text.data(), text.size());
  return mix(mix(hash, word), 0);
}

std::size_t slots_for(std::size_t tokens) noexcept { return tokens + tokens / 2 + 2; }

}  // namespace

TokenTable::TokenTable(std::size_t tokens, std::size_t bytes) : slots_(slots_for(tokens)) {
  arena_.reserve(bytes);
  ends_.reserve(tokens);
}

// The hash's lower half as a fraction of the slots: their number needn't be a power of two, which
// would leave up to two thirds of them free.
std::size_t TokenTable::home(std::uint64_t hash) const noexcept {
  return static_cast<std::uint32_t>(hash) * slots_.size() >> 32;
}

TokenId TokenTable::append(std::string_view text) {
  arena_.append(text);
  ends_.push_back(static_cast<std::uint32_t>(arena_.size()));
  return static_cast<TokenId>(ends_.size() - 1);
}

Result<TokenId> TokenTable::index(TokenId id) {
  const std::string_view wanted = text(id);
  const std::uint64_t hash = hash_of(wanted);
  std::size_t at = home(hash);
  for (std::size_t probe = 0; probe < kProbesMax; ++probe) {
    Slot& slot = slots_[at];
    if (slot == 0) {
      slot = slot_of(hash, id);
      return id;
    }
    const TokenId other = id_of(slot);
    if (slot == slot_of(hash, other) && text(other) == wanted) return other;
    if (++at == slots_.size()) at = 0;
  }
  return Error{ErrorCode::kCorrupt,
               "token " + std::to_string(id) + " collides with " + std::to_string(kProbesMax) +
                   " others in the vocabulary's index: the file was made to slow its reader down"};
}

Result<void> TokenTable::shrink_index(const std::function<bool(TokenId)>& keeps) {
  std::vector<TokenId> kept;
  for (const Slot slot : slots_) {
    if (slot != 0 && keeps(id_of(slot))) kept.push_back(id_of(slot));
  }
  slots_ = std::vector<Slot>(slots_for(kept.size()));
  for (const TokenId id : kept) WEFT_TRY_VOID(index(id));
  return {};
}

std::optional<TokenId> TokenTable::find(std::string_view wanted) const noexcept {
  const std::uint64_t hash = hash_of(wanted);
  std::size_t at = home(hash);
  for (std::size_t probe = 0; probe < kProbesMax; ++probe) {
    const Slot slot = slots_[at];
    if (slot == 0) return std::nullopt;
    const TokenId id = id_of(slot);
    if (slot == slot_of(hash, id) && text(id) == wanted) return id;
    if (++at == slots_.size()) at = 0;
  }
  return std::nullopt;
}

std::string_view TokenTable::text(TokenId id) const noexcept {
  const auto at = static_cast<std::size_t>(id);
  const std::size_t begin = at == 0 ? 0 : ends_[at - 1];
  return std::string_view(arena_).substr(begin, ends_[at] - begin);
}

}  // namespace weft::inference
