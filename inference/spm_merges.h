#pragma once
// SentencePiece's byte-pair encoding: the characters of a text are joined pairwise, first the pair
// whose concatenation is the token of the highest score (the leftmost among equals), until no pair
// is a token. Characters that are no token are written as byte tokens.
// Source: Kudo and Richardson 2018 (SentencePiece), Sennrich et al. 2016. Private to inference.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/piece_cache.h"
#include "inference/token.h"
#include "inference/token_scores.h"
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

/// A token by its text.
struct SpmToken {
  static constexpr TokenId kNone = -1;
  static constexpr float kNoScore = TokenScores::kNone;

  TokenId id = kNone;
  float score = kNoScore;
};

/// Tokens of at most eight bytes, most of those that merges ask for, so that an answer costs a line
/// of the processor's cache: text and id stand together. Const members may run at once.
class ShortTokens {
 public:
  static constexpr std::size_t kBytesMax = 8;

  explicit ShortTokens(std::size_t tokens);
  /// Errors: kCorrupt if the texts collide beyond all chance. Precondition: `text` has 1 to
  /// kBytesMax bytes and wasn't added before, ids are below 2^24 (read_vocabulary's bound).
  Result<void> add(std::string_view text, TokenId id);
  std::optional<TokenId> find(std::string_view text) const noexcept;

 private:
  struct Slot {  // a vocabulary of 262,144 fills hundreds of thousands: of 12 bytes, not 16
    std::uint32_t text[2] = {};
    std::uint32_t id_and_size = 0;  // size << 24 | id; 0: free
  };

  std::size_t home(std::uint64_t text, std::size_t size) const noexcept;

  std::vector<Slot> slots_;
};

/// The merges of a vocabulary. Const members may run at once.
class SpmMerges {
 public:
  static constexpr TokenId kNone = SpmToken::kNone;

  /// Of what is added, `short_tokens` at most have ShortTokens::kBytesMax bytes or fewer.
  explicit SpmMerges(std::size_t short_tokens) : short_(short_tokens) { byte_tokens.fill(kNone); }

  /// Text may become this token. Precondition: `text` isn't empty and wasn't added before; ids
  /// come in ascending order.
  /// Errors: those of ShortTokens::add().
  Result<void> add(std::string_view text, SpmToken token);
  /// The token of `text`, a score of kNoScore if text never becomes it or there is none. `table`
  /// finds the longer ones.
  SpmToken find(const TokenTable& table, std::string_view text) const noexcept;
  /// The token of a short text that was added; none of a long one.
  std::optional<TokenId> find_short(std::string_view text) const noexcept {
    return text.size() <= ShortTokens::kBytesMax ? short_.find(text) : std::nullopt;
  }
  /// All has been added: gives back the memory that more would need.
  void close() { scores_.shrink_to_fit(); }
  const CharacterPairs& pairs() const noexcept { return pairs_; }

  std::array<TokenId, 256> byte_tokens;  // by byte; kNone where there is none:
  TokenId unknown = kNone;               // then this token, or nothing, stands for a character

 private:
  TokenScores scores_;
  ShortTokens short_;
  std::size_t token_bytes_max_ = 0;
  CharacterPairs pairs_;
};

/// Encodes the parts of one text, in order.
class SpmEncoder {
 public:
  /// `table` and `merges` are borrowed; `text_bytes` is about how much text follows.
  SpmEncoder(const TokenTable& table, const SpmMerges& merges, std::size_t text_bytes);

  struct TextOptions {
    bool space_before = false;  // as if a space stood before it
  };
  /// Appends the tokens of `text`, which must stay where it is while this lives; U+2581 counts as
  /// a space. O(n log n) in its length.
  void append(std::string_view text, const TextOptions& options);
  void append(TokenId token) { ids_.push_back(token); }
  std::vector<TokenId> take() && { return std::move(ids_); }

 private:
  SpmToken find(std::string_view text) const noexcept { return merges_.find(table_, text); }
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
