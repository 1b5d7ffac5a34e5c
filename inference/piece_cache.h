#pragma once
// Which tokens a piece of a text became earlier in the same text: most words of a text come again.
// Private to inference.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "inference/token.h"

namespace weft::inference {

/// Direct-mapped; a newer piece takes the place of an older one.
class PieceCache {
 public:
  /// `text_bytes` is about how much text will come.
  explicit PieceCache(std::size_t text_bytes)
      : entries_(std::min(std::bit_ceil(text_bytes / 16 + 1), kEntriesMax)) {}

  /// Appends the tokens of `piece` to `ids`: a copy of those it gave before, or those that
  /// encode() appends. `piece`, not empty, must stay where it is while this lives, and `ids` must
  /// only grow.
  template <typename Encode>
  void append(std::string_view piece, std::vector<TokenId>& ids, const Encode& encode) {
    Entry& entry = entries_[hash(piece) >> 40 & (entries_.size() - 1)];
    if (entry.piece == piece) {
      for (std::size_t i = 0; i < entry.count; ++i) {
        const TokenId id = ids[entry.begin + i];
        ids.push_back(id);
      }
      return;
    }
    const std::size_t begin = ids.size();
    encode();
    entry = {piece, begin, ids.size() - begin};
  }

 private:
  static constexpr std::size_t kEntriesMax = 8192;

  struct Entry {  // `piece` gave ids[begin, begin + count)
    std::string_view piece;
    std::size_t begin = 0;
    std::size_t count = 0;
  };

  static std::uint64_t hash(std::string_view piece) noexcept {
    constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15U;  // 2^64 / golden ratio
    std::uint64_t head = 0;
    std::uint64_t tail = 0;
    if (piece.size() >= 8) {
      std::memcpy(&head, piece.data(), 8);
      std::memcpy(&tail, piece.data() + piece.size() - 8, 8);
    } else {
      std::memcpy(&head, piece.data(), piece.size());
    }
    return ((head * kGolden ^ tail) + piece.size()) * kGolden;
  }

  std::vector<Entry> entries_;
};

}  // namespace weft::inference
