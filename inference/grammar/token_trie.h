#pragma once
// The tokens that a grammar may choose from, by their bytes, as a trie in the order of a walk that
// goes down first: what can't be read at a node can't be read below it, and the walk jumps on.
// Several tokens may have the same bytes. Control, unknown and unused tokens aren't in it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/grammar/automaton.h"
#include "inference/token.h"
#include "inference/tokenizer.h"

namespace weft::inference::grammar {

class LoopTable;

/// Made once a vocabulary: sorting it costs some 50 ms for 150k tokens. Members may run at once.
class TokenTrie {
 public:
  struct Node {
    std::uint8_t byte;
    std::uint16_t depth;         // bytes from the root; the root is node 0
    std::uint32_t end;           // after the last node below this one
    std::uint32_t tokens_begin;  // in tokens(); to the next node's
  };

  /// Copies what it needs of `tokenizer`. Errors: kUnsupported if no token ends an answer.
  static Result<std::shared_ptr<const TokenTrie>> of(const Tokenizer& tokenizer);
  /// Of bare pieces, by id; several may be the same. Empty ones aren't text. Errors: likewise.
  static Result<std::shared_ptr<const TokenTrie>> of(std::span<const std::string_view> pieces,
                                                     std::vector<TokenId> ends);
  ~TokenTrie();
  TokenTrie(const TokenTrie&) = delete;
  TokenTrie& operator=(const TokenTrie&) = delete;

  std::size_t vocabulary() const noexcept { return vocabulary_; }  // tokens, with those not in it
  const std::vector<Node>& nodes() const noexcept { return nodes_; }
  /// Whose bytes lead to a node.
  std::span<const TokenId> tokens(std::uint32_t node) const noexcept {
    const std::size_t begin = nodes_[node].tokens_begin;
    const std::size_t end = node + 1 < nodes_.size() ? nodes_[node + 1].tokens_begin : ids_.size();
    return std::span(ids_).subspan(begin, end - begin);
  }
  /// That end an answer; at least one.
  std::span<const TokenId> ends() const noexcept { return ends_; }
  /// Empty for tokens that aren't in it.
  std::string_view bytes(TokenId id) const noexcept;

  /// What a loop over `body` reads of each token, from a state of the body. Made when first asked
  /// for, some ms for a large vocabulary, and kept.
  std::shared_ptr<const LoopTable> loop_table(const std::shared_ptr<const LoopBody>& body,
                                              std::uint8_t state) const;

 private:
  TokenTrie() = default;

  std::size_t vocabulary_ = 0;
  std::vector<Node> nodes_;
  std::vector<TokenId> ids_;  // in the order of nodes
  std::vector<TokenId> ends_;
  std::vector<char> arena_;                // the bytes of all tokens
  std::vector<std::uint32_t> arena_ends_;  // by id
  struct Kept {
    std::shared_ptr<const LoopBody> body;
    std::uint8_t state;
    std::shared_ptr<const LoopTable> table;
  };
  mutable std::mutex mutex_;
  mutable std::vector<Kept> tables_;  // the oldest first
};

}  // namespace weft::inference::grammar
