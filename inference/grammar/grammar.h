#pragma once
// A context-free grammar over bytes, as its readers (regular expressions, EBNF, JSON Schema) build
// it: expressions that refer to earlier ones by number, so that parts are shared, and rules that
// may refer to each other. Deterministic and small; compile() of automaton.h makes it run.

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inference/grammar/code_points.h"

namespace weft::inference::grammar {

using NodeId = std::uint32_t;
using RuleId = std::uint32_t;
using ByteSet = std::bitset<256>;

/// No upper bound of a repetition.
inline constexpr std::uint32_t kUnbounded = 0xFFFFFFFF;

struct Node {
  enum class Kind : std::uint8_t { kBytes, kSequence, kChoice, kRepeat, kRule };
  Kind kind = Kind::kSequence;
  ByteSet bytes;                 // kBytes: one byte of these; of none of them nothing can come
  std::vector<NodeId> children;  // of kSequence (empty: the empty text), kChoice, kRepeat (one)
  std::uint32_t min = 0;         // kRepeat
  std::uint32_t max = 0;
  RuleId rule = 0;  // kRule
};

struct Rule {
  std::string name;  // for messages
  std::optional<NodeId> body;
};

/// Nodes are numbered in the order of their making; a node's children come before it.
class Grammar {
 public:
  NodeId bytes(const ByteSet& set);
  NodeId text(std::string_view text);           // exactly these bytes
  NodeId code_points(const CodePointSet& set);  // one of them, in UTF-8
  NodeId sequence(std::vector<NodeId> parts);
  NodeId choice(std::vector<NodeId> alternatives);  // none: nothing can come
  NodeId repeat(NodeId body, std::uint32_t min, std::uint32_t max);
  NodeId optional(NodeId body) { return repeat(body, 0, 1); }
  NodeId empty() { return sequence({}); }

  RuleId add_rule(std::string name);
  void define(RuleId rule, NodeId body);
  NodeId call(RuleId rule);

  /// The rule that the whole text follows.
  RuleId root = 0;

  const std::vector<Node>& nodes() const noexcept { return nodes_; }
  const std::vector<Rule>& rules() const noexcept { return rules_; }

 private:
  NodeId add(Node node);

  std::vector<Node> nodes_;
  std::vector<Rule> rules_;
};

/// What a text or schema may ask for; beyond it, reading it is an error.
struct GrammarLimits {
  std::size_t text_bytes = 1 << 20;
  std::size_t nodes = 200'000;
  std::size_t nesting = 100;        // of brackets, groups, sub-schemas
  std::size_t states = 100'000;     // of the automaton
  std::size_t depth = 128;          // of rules within rules while text is made
  std::uint32_t repeats = 100'000;  // a bound of a repetition
};

}  // namespace weft::inference::grammar
