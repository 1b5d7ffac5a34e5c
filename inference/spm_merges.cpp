#include "inference/spm_merges.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <queue>
#include <string>
#include <tuple>
#include <utility>

#include "base/utf8.h"

namespace weft::inference {
namespace {

constexpr std::string_view kSpaceSign = "\u2581";
// Up to here, scanning all scores for the highest beats a queue; the arrays live on the stack.
constexpr std::size_t kShortPartBytesMax = 48;
constexpr std::size_t kAsciiClasses = 128;
// At two thirds load a run of this length has no chance to form unless somebody made it.
constexpr std::size_t kProbesMax = 512;

// A character, or a byte or more that are none: merges take either as one symbol.
struct Symbol {
  std::size_t size;    // bytes; at least 1
  std::size_t class_;  // of CharacterPairs
};

template <std::size_t kClasses>
Symbol first_symbol(std::string_view text) noexcept {
  const auto byte = static_cast<std::uint8_t>(text.front());
  if (byte < kAsciiClasses) return {1, byte};
  const Utf8CodePoint decoded = decode_utf8(text);
  constexpr std::uint32_t kGolden = 0x9E3779B1;  // 2^32 / golden ratio
  const std::uint32_t mixed = static_cast<std::uint32_t>(decoded.value) * kGolden >> 16;
  return {decoded.size, kAsciiClasses + mixed % (kClasses - kAsciiClasses)};
}

// The bytes of a short text as a number, zeros after them.
std::uint64_t word_of(std::string_view text) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, text.data(), text.size());
  return word;
}

constexpr int kIdBits = 24;
std::uint32_t id_and_size(TokenId id, std::size_t size) noexcept {
  return static_cast<std::uint32_t>(size) << kIdBits | static_cast<std::uint32_t>(id);
}

std::size_t symbol_size(std::string_view text) noexcept {
  return static_cast<std::uint8_t>(text.front()) < kAsciiClasses ? 1 : decode_utf8(text).size;
}

}  // namespace

void CharacterPairs::add(std::string_view token) {
  std::size_t left = kClasses;
  while (!token.empty()) {
    const Symbol symbol = first_symbol<kClasses>(token);
    if (left != kClasses) {
      const std::size_t bit = left * kClasses + symbol.class_;
      bits_[bit / 64] |= std::uint64_t{1} << bit % 64;
    }
    left = symbol.class_;
    token.remove_prefix(symbol.size);
  }
}

std::size_t CharacterPairs::first_part(std::string_view text) const noexcept {
  Symbol symbol = first_symbol<kClasses>(text);
  std::size_t end = symbol.size;
  while (end < text.size()) {
    const std::size_t left = symbol.class_;
    symbol = first_symbol<kClasses>(text.substr(end));
    if (!has(left, symbol.class_)) break;
    end += symbol.size;
  }
  return end;
}

void append_with_spaces(std::string& out, std::string_view text) {
  for (;;) {
    const std::size_t sign = text.find(kSpaceSign);
    out += text.substr(0, sign);
    if (sign == std::string_view::npos) return;
    out += ' ';
    text.remove_prefix(sign + kSpaceSign.size());
  }
}

ShortTokens::ShortTokens(std::size_t tokens) : slots_(tokens + tokens / 2 + 2) {}

std::size_t ShortTokens::home(std::uint64_t text, std::size_t size) const noexcept {
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15U;  // 2^64 / golden ratio
  const std::uint64_t mixed = (text ^ size) * kGolden;
  // The upper half as a fraction of the slots, whose number needn't be a power of two.
  return ((mixed ^ mixed >> 32) * kGolden >> 32) * slots_.size() >> 32;
}

Result<void> ShortTokens::add(std::string_view text, TokenId id) {
  const std::uint64_t word = word_of(text);
  std::size_t at = home(word, text.size());
  for (std::size_t probe = 0; probe < kProbesMax; ++probe) {
    Slot& slot = slots_[at];
    if (slot.id_and_size == 0) {
      slot = {{static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32)},
              id_and_size(id, text.size())};
      return {};
    }
    if (++at == slots_.size()) at = 0;
  }
  return Error{ErrorCode::kCorrupt,
               "token " + std::to_string(id) + " collides with " + std::to_string(kProbesMax) +
                   " others among the short ones: the file was made to slow its reader down"};
}

std::optional<TokenId> ShortTokens::find(std::string_view text) const noexcept {
  const std::uint64_t word = word_of(text);
  std::size_t at = home(word, text.size());
  for (std::size_t probe = 0; probe < kProbesMax; ++probe) {
    const Slot& slot = slots_[at];
    if (slot.id_and_size == 0) break;
    const std::uint64_t here = std::uint64_t{slot.text[1]} << 32 | slot.text[0];
    if (here == word && slot.id_and_size >> kIdBits == text.size()) {
      return static_cast<TokenId>(slot.id_and_size & ((1U << kIdBits) - 1));
    }
    if (++at == slots_.size()) at = 0;
  }
  return std::nullopt;
}

Result<void> SpmMerges::add(std::string_view text, SpmToken token) {
  if (text.size() <= ShortTokens::kBytesMax) {
    WEFT_TRY_VOID(short_.add(text, token.id));
  }
  scores_.add(token.id, token.score);
  token_bytes_max_ = std::max(token_bytes_max_, text.size());
  pairs_.add(text);
  return {};
}

SpmToken SpmMerges::find(const TokenTable& table, std::string_view text) const noexcept {
  if (text.size() > token_bytes_max_) return {};
  const auto id = text.size() <= ShortTokens::kBytesMax ? short_.find(text) : table.find(text);
  if (!id) return {};
  return {*id, scores_.find(*id)};
}

SpmEncoder::SpmEncoder(const TokenTable& table, const SpmMerges& merges, std::size_t text_bytes)
    : table_(table), merges_(merges), cache_(text_bytes) {
  ids_.reserve(text_bytes / 3 + 8);
}

void SpmEncoder::append(std::string_view text, const TextOptions& options) {
  if (options.space_before || text.find(kSpaceSign) != std::string_view::npos) {
    std::string& copy = rewritten_.emplace_back(options.space_before ? " " : "");
    append_with_spaces(copy, text);
    text = copy;
  }
  while (!text.empty()) {
    const std::string_view part = text.substr(0, merges_.pairs().first_part(text));
    if (part.size() > kShortPartBytesMax) {
      merge_long(part);
    } else {
      cache_.append(part, ids_, [&] { merge_short(part); });
    }
    text.remove_prefix(part.size());
  }
}

// The tokens of a symbol that nothing was merged into.
void SpmEncoder::append_symbol(std::string_view symbol) {
  const SpmToken found = find(symbol);
  if (found.score != SpmToken::kNoScore) return ids_.push_back(found.id);
  bool has_all = true;
  for (const char byte : symbol) {
    has_all = has_all && merges_.byte_tokens[static_cast<std::uint8_t>(byte)] != SpmMerges::kNone;
  }
  if (!has_all) {
    if (merges_.unknown != SpmMerges::kNone) ids_.push_back(merges_.unknown);
    return;
  }
  for (const char byte : symbol) {
    ids_.push_back(merges_.byte_tokens[static_cast<std::uint8_t>(byte)]);
  }
}

void SpmEncoder::merge_short(std::string_view part) {
  std::array<std::uint8_t, kShortPartBytesMax + 1> begins;  // of the symbols, and the end
  std::array<TokenId, kShortPartBytesMax> ids;              // kNone: not merged yet
  std::array<SpmToken, kShortPartBytesMax> pairs;           // (i, i + 1) as a token
  std::size_t size = 0;
  for (std::size_t at = 0; at < part.size(); at += symbol_size(part.substr(at))) {
    begins[size] = static_cast<std::uint8_t>(at);
    ids[size++] = SpmMerges::kNone;
  }
  begins[size] = static_cast<std::uint8_t>(part.size());
  const auto text = [&](std::size_t i, std::size_t symbols) {
    const std::size_t begin = begins[i];
    return part.substr(begin, begins[i + symbols] - begin);
  };
  for (std::size_t i = 0; i + 1 < size; ++i) pairs[i] = find(text(i, 2));
  while (size > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < size; ++i) {
      if (pairs[i].score > pairs[best].score) best = i;
    }
    if (pairs[best].score == SpmToken::kNoScore) break;
    ids[best] = pairs[best].id;
    --size;
    for (std::size_t i = best + 1; i < size; ++i) {
      begins[i] = begins[i + 1];
      ids[i] = ids[i + 1];
      pairs[i] = pairs[i + 1];
    }
    begins[size] = static_cast<std::uint8_t>(part.size());
    if (best + 1 < size) pairs[best] = find(text(best, 2));
    if (best > 0) pairs[best - 1] = find(text(best - 1, 2));
  }
  for (std::size_t i = 0; i < size; ++i) {
    if (ids[i] != SpmMerges::kNone) {
      ids_.push_back(ids[i]);
    } else {
      append_symbol(text(i, 1));
    }
  }
}

void SpmEncoder::merge_long(std::string_view part) {
  struct Node {  // a symbol; `previous` and `next` are where its neighbours begin
    TokenId id = SpmMerges::kNone;
    std::size_t size = 0;  // 0: merged into the one before, or no symbol begins here
    std::size_t previous = 0;
    std::size_t next = 0;
  };
  struct Candidate {
    float score;
    std::size_t left;  // where it begins
    std::size_t size;
    TokenId id;

    bool operator<(const Candidate& other) const {  // std::priority_queue pops the greatest
      return std::tuple(score, other.left) < std::tuple(other.score, left);
    }
  };
  const std::size_t end = part.size();
  std::vector<Node> nodes(end);
  std::priority_queue<Candidate> queue;
  const auto offer = [&](std::size_t left) {
    const std::size_t right = nodes[left].next;
    if (right == end) return;
    const std::size_t size = nodes[left].size + nodes[right].size;
    const SpmToken found = find(part.substr(left, size));
    if (found.score != SpmToken::kNoScore) queue.push({found.score, left, size, found.id});
  };
  std::size_t previous = 0;
  for (std::size_t at = 0; at < end; at = nodes[at].next) {
    const std::size_t size = symbol_size(part.substr(at));
    nodes[at] = {SpmMerges::kNone, size, std::exchange(previous, at), at + size};
  }
  for (std::size_t at = 0; at < end; at = nodes[at].next) offer(at);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Node& left = nodes[best.left];
    // A merge on either side since then leaves a dead symbol or another size.
    if (left.size == 0 || left.next == end || left.size + nodes[left.next].size != best.size) {
      continue;
    }
    Node& right = nodes[left.next];
    right.size = 0;
    left = {best.id, best.size, left.previous, right.next};
    if (left.next != end) nodes[left.next].previous = best.left;
    offer(best.left);
    if (best.left != 0) offer(left.previous);
  }
  for (std::size_t at = 0; at < end; at = nodes[at].next) {
    if (nodes[at].id != SpmMerges::kNone) {
      ids_.push_back(nodes[at].id);
    } else {
      append_symbol(part.substr(at, nodes[at].size));
    }
  }
}

}  // namespace weft::inference
