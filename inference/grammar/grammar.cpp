#include "inference/grammar/grammar.h"

#include <utility>

namespace weft::inference::grammar {

NodeId Grammar::add(Node node) {
  nodes_.push_back(std::move(node));
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Grammar::bytes(const ByteSet& set) {
  return add({.kind = Node::Kind::kBytes, .bytes = set, .children = {}});
}

NodeId Grammar::text(std::string_view text) {
  std::vector<NodeId> parts;
  for (const char letter : text) {
    ByteSet set;
    set.set(static_cast<unsigned char>(letter));
    parts.push_back(bytes(set));
  }
  return parts.size() == 1 ? parts.front() : sequence(std::move(parts));
}

NodeId Grammar::code_points(const CodePointSet& set) {
  ByteSet ascii;
  std::vector<NodeId> alternatives;
  for (const auto& ranges : utf8_sequences(set)) {
    std::vector<NodeId> parts;
    for (const ByteRange& range : ranges) {
      ByteSet part;
      for (unsigned byte = range.first; byte <= range.last; ++byte) part.set(byte);
      if (ranges.size() == 1) {
        ascii |= part;
      } else {
        parts.push_back(bytes(part));
      }
    }
    if (ranges.size() > 1) alternatives.push_back(sequence(std::move(parts)));
  }
  if (ascii.any()) alternatives.push_back(bytes(ascii));
  return alternatives.size() == 1 ? alternatives.front() : choice(std::move(alternatives));
}

NodeId Grammar::sequence(std::vector<NodeId> parts) {
  return add({.kind = Node::Kind::kSequence, .bytes = {}, .children = std::move(parts)});
}

NodeId Grammar::choice(std::vector<NodeId> alternatives) {
  return add({.kind = Node::Kind::kChoice, .bytes = {}, .children = std::move(alternatives)});
}

NodeId Grammar::repeat(NodeId body, std::uint32_t min, std::uint32_t max) {
  return add(
      {.kind = Node::Kind::kRepeat, .bytes = {}, .children = {body}, .min = min, .max = max});
}

RuleId Grammar::add_rule(std::string name) {
  rules_.push_back({std::move(name), std::nullopt});
  return static_cast<RuleId>(rules_.size() - 1);
}

void Grammar::define(RuleId rule, NodeId body) { rules_[rule].body = body; }

NodeId Grammar::call(RuleId rule) {
  return add({.kind = Node::Kind::kRule, .bytes = {}, .children = {}, .rule = rule});
}

}  // namespace weft::inference::grammar
