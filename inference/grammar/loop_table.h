#pragma once
// What a loop reads of every token of a vocabulary, worked out once: the walk over most of the trie
// that a string's contents would cost at each step. Private to inference.

#include <array>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "inference/grammar/automaton.h"
#include "inference/grammar/token_trie.h"

namespace weft::inference::grammar {

/// Members may run at once.
class LoopTable {
 public:
  /// Of tokens that the loop doesn't read.
  static constexpr std::uint16_t kNotRead = 0xFFFF;

  /// From `state` of `body`; `trie` is borrowed and outlives this.
  LoopTable(const TokenTrie& trie, const LoopBody& body, std::uint8_t state);

  /// Of the tokens that stay within the loop, those that begin at most `repetitions` more, the
  /// present one counted in.
  void add_tokens(std::uint32_t repetitions, std::span<std::uint64_t> bits) const;

  /// Nodes whose byte is `byte` and before which some whole repetitions have been read.
  struct Exit {
    std::uint32_t node;
    std::uint32_t repetitions;  // ended since the start
  };
  const std::vector<Exit>& exits(std::uint8_t byte) const;

 private:
  const TokenTrie& trie_;
  std::vector<std::uint64_t> bits_;      // by token
  std::vector<std::uint16_t> begun_;     // by token: repetitions, or kNotRead
  std::uint16_t begun_max_ = 0;          // of those read
  std::vector<std::uint16_t> finished_;  // by node: repetitions before its byte, or kNotRead
  mutable std::array<std::once_flag, 256> once_;
  mutable std::array<std::vector<Exit>, 256> exits_;
};

}  // namespace weft::inference::grammar
