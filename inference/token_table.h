#pragma once
// The texts of a vocabulary in one arena, and an open-addressing index from text to id.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/token.h"

namespace weft::inference {

/// Const members may run at once.
class TokenTable {
 public:
  static constexpr std::size_t kTokensMax = (std::size_t{1} << 24) - 1;

  /// `tokens`, at most kTokensMax, and `bytes` are what is going to be appended: the table doesn't
  /// grow its index.
  TokenTable(std::size_t tokens, std::size_t bytes);

  /// Adds the next id's text, without indexing it.
  TokenId append(std::string_view text);

  /// Makes find() answer `id` for its text, unless another id with that text was indexed before:
  /// then that one is the result. Otherwise the result is `id`.
  /// Errors: kCorrupt if the texts collide in the index beyond all chance (a hostile vocabulary).
  Result<TokenId> index(TokenId id);

  /// Takes the texts of which keeps(id) is false out of the index, and their memory with them: for
  /// who finds them otherwise. Nothing can be indexed after that. Errors: those of index().
  Result<void> shrink_index(const std::function<bool(TokenId)>& keeps);

  std::optional<TokenId> find(std::string_view text) const noexcept;
  std::string_view text(TokenId id) const noexcept;  // `id` in [0, size())
  std::size_t size() const noexcept { return ends_.size(); }

 private:
  static constexpr int kIdBits = 24;

  /// 0: free. Else 1 + the id, and above it the hash's top bits: texts are looked at only where
  /// these agree.
  using Slot = std::uint32_t;

  static Slot slot_of(std::uint64_t hash, TokenId id) noexcept {
    return static_cast<Slot>(hash >> (32 + kIdBits) << kIdBits) | static_cast<Slot>(id + 1);
  }
  static TokenId id_of(Slot slot) noexcept {
    return static_cast<TokenId>(slot & ((1U << kIdBits) - 1)) - 1;
  }
  std::size_t home(std::uint64_t hash) const noexcept;  // a slot; the hash is 64 bits, mixed

  std::string arena_;
  std::vector<std::uint32_t> ends_;  // in arena_, by id: a file's metadata is below 256 MiB
  std::vector<Slot> slots_;
};

}  // namespace weft::inference
