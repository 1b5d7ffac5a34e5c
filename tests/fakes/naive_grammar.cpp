#include "tests/fakes/naive_grammar.h"

namespace weft::fakes {

using inference::grammar::kUnbounded;
using inference::grammar::Node;
using inference::grammar::NodeId;

bool NaiveGrammar::accepts(std::string_view text) {
  text_ = text;
  known_.clear();
  return ends(*grammar_.rules()[grammar_.root].body, 0).contains(text.size());
}

bool NaiveGrammar::begins(std::string_view text) {
  wants_more_ = false;
  return accepts(text) || wants_more_;
}

NaiveGrammar::Ends NaiveGrammar::ends(NodeId id, const Ends& begins) {
  Ends all;
  for (const std::size_t begin : begins) all.merge(ends(id, begin));
  return all;
}

NaiveGrammar::Ends NaiveGrammar::ends(NodeId id, std::size_t begin) {
  if (const auto found = known_.find({id, begin}); found != known_.end()) return found->second;
  const Node& node = grammar_.nodes()[id];
  Ends all;
  switch (node.kind) {
    case Node::Kind::kBytes:
      if (begin == text_.size()) {
        wants_more_ |= node.bytes.any();
      } else if (node.bytes[static_cast<unsigned char>(text_[begin])]) {
        all = {begin + 1};
      }
      break;
    case Node::Kind::kSequence:
      all = {begin};
      for (const NodeId child : node.children) all = ends(child, all);
      break;
    case Node::Kind::kChoice:
      for (const NodeId child : node.children) all.merge(ends(child, begin));
      break;
    case Node::Kind::kRepeat:
      all = repeated(node, begin);
      break;
    case Node::Kind::kRule:
      all = ends(*grammar_.rules()[node.rule].body, begin);
      break;
  }
  known_[{id, begin}] = all;
  return all;
}

NaiveGrammar::Ends NaiveGrammar::repeated(const Node& node, std::size_t begin) {
  Ends all;
  Ends now = {begin};
  for (std::size_t count = 0; !now.empty(); ++count) {
    if (count >= node.min) {
      const std::size_t before = all.size();
      all.insert(now.begin(), now.end());
      // Beyond the least count, nothing new can come of what was seen before.
      if (all.size() == before) break;
    }
    if (node.max != kUnbounded && count == node.max) break;
    now = ends(node.children.front(), now);
  }
  return all;
}

}  // namespace weft::fakes
