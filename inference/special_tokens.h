#pragma once
// Cuts text at special tokens (Aho and Corasick 1975). The longest token text wins wherever it
// stands, then the next longest in what is left, and so on; among equally long ones the leftmost.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/token.h"

namespace weft::inference {

struct SpecialToken {
  std::string_view text;  // not empty; copied
  TokenId id = 0;
  bool needs_trust = true;   // recognised only where all its bytes are trusted
  bool strips_left = false;  // swallows the white space before (after) it
  bool strips_right = false;
};

struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// A stretch of the text: one token, or text to encode.
struct Fragment {
  static constexpr TokenId kText = -1;
  std::size_t begin = 0;
  std::size_t end = 0;  // with what the token stripped
  TokenId token = kText;

  friend bool operator==(const Fragment&, const Fragment&) = default;
};

/// Const members may run at once.
class SpecialTokens {
 public:
  SpecialTokens() = default;  // none

  /// Errors: kCorrupt for an empty or repeated text, or texts of more than 4 MiB in all.
  static Result<SpecialTokens> build(std::span<const SpecialToken> tokens);

  /// Fragments in order that cover `text`, none empty. `trusted`: sorted, disjoint, not touching.
  /// O(text) plus, where tokens occur, O(occurrences x distinct lengths of the occurring tokens).
  std::vector<Fragment> split(std::string_view text, std::span<const ByteRange> trusted) const;

 private:
  struct Node {
    std::uint32_t first_child = 0;  // 0, the root, is nobody's child: none
    std::uint32_t sibling = 0;
    std::uint32_t fail = 0;    // the longest proper suffix that is a node
    std::uint32_t output = 0;  // the longest suffix, itself included, that ends a token; 0: none
    std::uint32_t depth = 0;
    std::int32_t token = -1;  // index in tokens_
    std::uint8_t byte = 0;
  };
  struct Hit {
    std::size_t end;
    std::uint32_t node;  // an output node
  };

  bool insert(std::string_view text, std::int32_t token);
  void link();
  std::uint32_t child(std::uint32_t node, std::uint8_t byte) const noexcept;
  std::uint32_t step(std::uint32_t node, std::uint8_t byte) const noexcept;
  std::vector<Hit> find_hits(std::string_view text) const;
  std::uint32_t allowed_output(Hit hit, std::span<const ByteRange> trusted) const noexcept;

  std::vector<SpecialToken> tokens_;  // without their texts
  std::vector<Node> nodes_{1};
  std::vector<std::uint32_t> root_ = std::vector<std::uint32_t>(256);  // the root's children
};

}  // namespace weft::inference
