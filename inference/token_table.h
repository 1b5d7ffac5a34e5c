#pragma once
// The texts of a vocabulary in one arena, and an open-addressing index from text to id.

#include <cstddef>
#include <cstdint>
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
  /// `tokens` and `bytes` are what is going to be appended: the table doesn't grow its index.
  TokenTable(std::size_t tokens, std::size_t bytes);

  /// Adds the next id's text, without indexing it.
  TokenId append(std::string_view text);

  /// Makes find() answer `id` for its text, unless another id with that text was indexed before:
  /// then that one is the result. Otherwise the result is `id`.
  /// Errors: kCorrupt if the texts collide in the index beyond all chance (a hostile vocabulary).
  Result<TokenId> index(TokenId id);

  std::optional<TokenId> find(std::string_view text) const noexcept;
  std::string_view text(TokenId id) const noexcept;  // `id` in [0, size())
  std::size_t size() const noexcept { return ends_.size(); }

 private:
  struct Slot {
    std::uint32_t tag = 0;  // the hash's upper half: texts are looked at only where it agrees
    TokenId id = -1;        // -1: free
  };

  std::size_t home(std::uint64_t hash) const noexcept;  // a slot; the hash is 64 bits, mixed

  std::string arena_;
  std::vector<std::uint32_t> ends_;  // in arena_, by id: a file's metadata is below 256 MiB
  std::vector<Slot> slots_;
};

}  // namespace weft::inference
