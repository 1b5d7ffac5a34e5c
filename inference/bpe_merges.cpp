#include "inference/bpe_merges.h"

#include <bit>
#include <queue>
#include <string>
#include <tuple>

namespace weft::inference {
namespace {

// At this load a run of this length has no chance to form unless somebody made it.
constexpr std::size_t kProbesMax = 512;
// Up to here, scanning all ranks for the lowest beats a queue; the arrays live on the stack.
constexpr std::size_t kShortPieceBytesMax = 48;
constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15U;  // 2^64 / golden ratio

std::uint64_t pair_key(TokenId left, TokenId right) noexcept {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

}  // namespace

BpeMerges::BpeMerges(const std::array<TokenId, 256>& byte_tokens, std::size_t merges)
    : byte_tokens_(byte_tokens), slots_(std::bit_ceil(merges + merges / 2 + 2)) {
  shift_ = 64 - std::countr_zero(slots_.size());
}

Result<void> BpeMerges::add(TokenId left, TokenId right, TokenId result) {
  const std::uint64_t pair = pair_key(left, right);
  std::size_t slot = pair * kGolden >> shift_;
  for (std::size_t probe = 0; probe < kProbesMax; ++probe) {
    Merge& merge = slots_[slot];
    if (merge.rank == kNoRank) {
      merge = {pair, next_rank_++, result};
      return {};
    }
    if (merge.pair == pair) {
      return Error{ErrorCode::kCorrupt, "is a duplicate of merge " + std::to_string(merge.rank)};
    }
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return Error{ErrorCode::kCorrupt, "collides with " + std::to_string(kProbesMax) +
                                        " others: the file was made to slow its reader down"};
}

const BpeMerges::Merge& BpeMerges::find(TokenId left, TokenId right) const noexcept {
  const std::uint64_t pair = pair_key(left, right);
  std::size_t slot = pair * kGolden >> shift_;
  // Ends: the table always has a free slot, and no run is longer than kProbesMax.
  while (slots_[slot].rank != kNoRank && slots_[slot].pair != pair) {
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return slots_[slot];
}

BpePieceEncoder::BpePieceEncoder(const BpeMerges& merges, std::size_t text_bytes,
                                 const Vocabulary* whole_pieces)
    : merges_(merges), whole_pieces_(whole_pieces), cache_(text_bytes) {
  ids_.reserve(text_bytes / 3 + 8);
}

void BpePieceEncoder::append(std::string_view piece) {
  if (piece.size() > kShortPieceBytesMax) {
    if (!append_whole(piece)) merge_long(piece);
    return;
  }
  cache_.append(piece, ids_, [&] {
    if (!append_whole(piece)) merge_short(piece);
  });
}

bool BpePieceEncoder::append_whole(std::string_view piece) {
  if (whole_pieces_ == nullptr) return false;
  const auto id = whole_pieces_->table.find(piece);
  if (!id || !whole_pieces_->is_text(*id)) return false;
  ids_.push_back(*id);
  return true;
}

void BpePieceEncoder::merge_short(std::string_view piece) {
  using Merge = BpeMerges::Merge;
  std::array<TokenId, kShortPieceBytesMax> ids;
  std::array<std::uint32_t, kShortPieceBytesMax> ranks;  // of the pair (i, i + 1)
  std::array<TokenId, kShortPieceBytesMax> results;
  std::size_t size = piece.size();
  for (std::size_t i = 0; i < size; ++i) {
    ids[i] = merges_.byte_token(static_cast<std::uint8_t>(piece[i]));
  }
  const auto look_up = [&](std::size_t i) {
    const Merge& merge = merges_.find(ids[i], ids[i + 1]);
    ranks[i] = merge.rank;
    results[i] = merge.result;
  };
  for (std::size_t i = 0; i + 1 < size; ++i) look_up(i);
  while (size > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < size; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == BpeMerges::kNoRank) break;
    ids[best] = results[best];
    --size;
    for (std::size_t i = best + 1; i < size; ++i) {
      ids[i] = ids[i + 1];
      ranks[i] = ranks[i + 1];
      results[i] = results[i + 1];
    }
    if (best + 1 < size) look_up(best);
    if (best > 0) look_up(best - 1);
  }
  for (std::size_t i = 0; i < size; ++i) {
    if (ids[i] != BpeMerges::kNone) ids_.push_back(ids[i]);
  }
}

void BpePieceEncoder::merge_long(std::string_view piece) {
  struct Symbol {
    TokenId id;
    std::size_t previous;
    std::size_t next;
  };
  struct Candidate {
    std::uint32_t rank;
    std::size_t left;  // index of the left symbol
    std::uint64_t pair;
    TokenId result;

    bool operator<(const Candidate& other) const {  // std::priority_queue pops the greatest
      return std::tie(rank, left) > std::tie(other.rank, other.left);
    }
  };
  constexpr TokenId kDead = -2;
  const std::size_t end = piece.size();
  std::vector<Symbol> symbols(end);
  std::priority_queue<Candidate> queue;
  const auto offer = [&](std::size_t left) {
    const std::size_t right = symbols[left].next;
    if (right == end) return;
    const BpeMerges::Merge& merge = merges_.find(symbols[left].id, symbols[right].id);
    if (merge.rank == BpeMerges::kNoRank) return;
    queue.push({merge.rank, left, merge.pair, merge.result});
  };
  for (std::size_t i = 0; i < end; ++i) {
    symbols[i] = {merges_.byte_token(static_cast<std::uint8_t>(piece[i])), i - 1, i + 1};
  }
  for (std::size_t i = 0; i < end; ++i) offer(i);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.left];
    // A merge on either side since then leaves a dead symbol or another pair.
    if (left.id == kDead || left.next == end ||
        pair_key(left.id, symbols[left.next].id) != best.pair) {
      continue;
    }
    symbols[left.next].id = kDead;
    left.id = best.result;
    left.next = symbols[left.next].next;
    if (left.next != end) symbols[left.next].previous = best.left;
    offer(best.left);
    if (best.left != 0) offer(left.previous);
  }
  for (std::size_t i = 0; i != end; i = symbols[i].next) {
    if (symbols[i].id != BpeMerges::kNone) ids_.push_back(symbols[i].id);
  }
}

}  // namespace weft::inference
