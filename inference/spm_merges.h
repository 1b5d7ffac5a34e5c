#pragma once
// SentencePiece's byte-pair encoding: the characters of a text are joined pairwise, first the pair
// whose concatenation is the token of the highest score (the leftmost among equals), until no pair
// is a token. Characters that are no token are written as byte tokens.
// Source: Kudo and Richardson 2018 (SentencePiece), Sennrich et al. 2016. Private to inference.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "inference/piece_cache.h"
#include "inference/token.h"
#include "inference/token_table.h"

namespace weft::inference {

/// Which characters stand beside each other in some token. No merge joins two characters that
/// don't, so that a text may be cut between them: the parts are encoded for themselves. Characters
/// fall into classes, ASCII ones into their own; two of one class may be taken for each other,
/// which only leaves a cut out.
class CharacterPairs {
 public:
  void add(std::string_view token);
  /// The length of the first part of `text`, which isn't empty.
  std::size_t first_part(std::string_view text) const noexcept;

 private:
  static constexpr std::size_t kClasses = 1024;

  bool has(std::size_t left, std::size_t right) const noexcept {
    const std::size_t bit = left * kClasses + right;
    return (bits_[bit / 64] >> bit % 64 & 1) != 0;
  }

  std::vector<std::uint64_t> bits_ = std::vector<std::uint64_t>(kClasses * kClasses / 64);
};

/// The merges of a vocabulary. Const members may run at once.
struct SpmMerges {
  static constexpr TokenId kNone = -1;
  static constexpr float kNoScore = -std::numeric_limits<float>::infinity();

  std::vector<float> scores;               // by id; kNoScore: text never becomes this token
  std::array<TokenId, 256> byte_tokens{};  // by byte; kNone where there is none:
  TokenId unknown = kNone;                 // then this token, or nothing, stands for a character
  std::size_t token_bytes_max = 0;
  CharacterPairs pairs;
};

/// Encodes the parts of one text, in order.
class SpmEncoder {
 public:
  /// `table` and `merges` are borrowed; `text_bytes` is about how much text follows.
  SpmEncoder(const TokenTable& table, const SpmMerges& merges, std::size_t text_bytes);

  /// Appends the tokens of `text`, which must stay where it is while this lives; U+2581 counts as
  /// a space. O(n log n) in its length.
  struct TextOptions {
    bool space_before = false;  // as if a space stood before it
  };
  void append(std::string_view text, const TextOptions& options);
  void append(TokenId token) { ids_.push_back(token); }
  std::vector<TokenId> take() && { return std::move(ids_); }

 private:
  struct Found {  // a token by its text
    TokenId id = SpmMerges::kNone;
    float score = SpmMerges::kNoScore;
  };

  Found find(std::string_view text) const noexcept;
  void append_symbol(std::string_view symbol);
  void merge_short(std::string_view part);
  void merge_long(std::string_view part);

  const TokenTable& table_;
  const SpmMerges& merges_;
  std::vector<TokenId> ids_;
  PieceCache cache_;
  std::deque<std::string> rewritten_;  // texts that had to be changed first
};

/// Appends `text` with a space for each U+2581, SentencePiece's sign for a space.
void append_with_spaces(std::string& out, std::string_view text);

}  // namespace weft::inference
