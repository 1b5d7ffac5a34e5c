#pragma once
// The slow twin of inference/grammar: whether a text follows a grammar, or begins one that does, by
// finding for each part everywhere it could end. No stack is bounded, and of a part that nothing
// can complete it doesn't know so before it is reached.

#include <cstddef>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "inference/grammar/grammar.h"

namespace weft::fakes {

class NaiveGrammar {
 public:
  explicit NaiveGrammar(const inference::grammar::Grammar& grammar) : grammar_(grammar) {}

  bool accepts(std::string_view text);
  bool begins(std::string_view text);

 private:
  using Ends = std::set<std::size_t>;

  void read(std::string_view text);
  Ends ends(inference::grammar::NodeId id, std::size_t begin);
  Ends ends(inference::grammar::NodeId id, const Ends& begins);
  Ends repeated(const inference::grammar::Node& node, std::size_t begin);

  const inference::grammar::Grammar& grammar_;
  std::string_view text_;
  bool wants_more_ = false;  // a byte could be read where the text ends
  std::map<std::pair<inference::grammar::NodeId, std::size_t>, Ends> known_;
};

}  // namespace weft::fakes
