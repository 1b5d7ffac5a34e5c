#pragma once
// Byte-pair merges: bytes of a piece become tokens, and the adjacent pair of the lowest rank
// (leftmost first) is joined until no pair has one. Source: Sennrich et al. 2016, algorithm 1.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/piece_cache.h"
#include "inference/token.h"
#include "inference/tokenizer_vocabulary.h"

namespace weft::inference {

/// Const members may run at once.
class BpeMerges {
 public:
  static constexpr TokenId kNone = -1;
  static constexpr std::uint32_t kNoRank = 0xFFFFFFFF;

  struct Merge {
    std::uint64_t pair = 0;
    std::uint32_t rank = kNoRank;
    TokenId result = kNone;
  };

  /// `byte_tokens`: the token of each byte, kNone where the vocabulary has none; such bytes never
  /// merge and leave no token. `merges` is how many add() calls follow.
  BpeMerges(const std::array<TokenId, 256>& byte_tokens, std::size_t merges);

  /// The pair (left, right) gives `result`; the ranks are 0, 1, ... in the order of the calls.
  /// Errors: kCorrupt if the pair was there already, or the pairs collide beyond all chance.
  Result<void> add(TokenId left, TokenId right, TokenId result);

  /// kNoRank in the result if the pair doesn't merge.
  const Merge& find(TokenId left, TokenId right) const noexcept;
  TokenId byte_token(std::uint8_t byte) const noexcept { return byte_tokens_[byte]; }

 private:
  std::array<TokenId, 256> byte_tokens_;
  std::vector<Merge> slots_;  // a power of two of them
  int shift_;
  std::uint32_t next_rank_ = 0;
};

/// Encodes the pieces of one text, in order. Pieces that came before in the same text cost a copy.
class BpePieceEncoder {
 public:
  /// `merges` is borrowed; `text_bytes` is about how much text follows. With `whole_pieces`
  /// (borrowed), a piece that is a token as it stands becomes that token, whatever the merges say:
  /// Llama 3 has tokens that its merges don't reach.
  BpePieceEncoder(const BpeMerges& merges, std::size_t text_bytes,
                  const Vocabulary* whole_pieces = nullptr);

  /// Appends the tokens of `piece`, which must stay where it is while this lives.
  /// O(n log n) in its length.
  void append(std::string_view piece);
  void append(TokenId token) { ids_.push_back(token); }
  std::vector<TokenId> take() && { return std::move(ids_); }

 private:
  bool append_whole(std::string_view piece);
  void merge_short(std::string_view piece);
  void merge_long(std::string_view piece);

  const BpeMerges& merges_;
  const Vocabulary* whole_pieces_;
  std::vector<TokenId> ids_;
  PieceCache cache_;
};

}  // namespace weft::inference
