#include "inference/grammar/loop_table.h"

#include <algorithm>

namespace weft::inference::grammar {

LoopTable::LoopTable(const TokenTrie& trie, const LoopBody& body, std::uint8_t state)
    : trie_(trie),
      bits_((trie.vocabulary() + 63) / 64),
      begun_(trie.vocabulary(), kNotRead),
      finished_(trie.nodes().size(), kNotRead) {
  struct At {
    std::uint8_t state;
    std::uint16_t finished;
  };
  const auto& nodes = trie.nodes();
  std::vector<At> path(1 + std::ranges::max(nodes, {}, &TokenTrie::Node::depth).depth);
  path[0] = {state, 0};
  for (std::uint32_t i = 1; i < nodes.size();) {
    const At& before = path[nodes[i].depth - 1];
    // At the start the loop's own exit is another state's business.
    if (before.state == 0 && nodes[i].depth > 1) finished_[i] = before.finished;
    const std::uint8_t next = body.next[before.state][nodes[i].byte];
    if (next == LoopBody::kDead) {
      i = nodes[i].end;
      continue;
    }
    const bool done = next == LoopBody::kDone;
    const At after = {done ? std::uint8_t{0} : next,
                      static_cast<std::uint16_t>(before.finished + (done ? 1 : 0))};
    path[nodes[i].depth] = after;
    for (const TokenId id : trie.tokens(i)) {
      const auto token = static_cast<std::size_t>(id);
      begun_[token] = static_cast<std::uint16_t>(after.finished + (done ? 0 : 1));
      begun_max_ = std::max(begun_max_, begun_[token]);
      bits_[token / 64] |= std::uint64_t{1} << (token % 64);
    }
    ++i;
  }
}

void LoopTable::add_tokens(std::uint32_t repetitions, std::span<std::uint64_t> bits) const {
  if (repetitions >= begun_max_) {
    for (std::size_t i = 0; i < bits.size(); ++i) bits[i] |= bits_[i];
    return;
  }
  const auto most = static_cast<std::uint16_t>(repetitions);
  for (std::size_t word = 0; word < bits.size(); ++word) {
    if (bits_[word] == 0) continue;
    const std::size_t begin = word * 64;
    const std::size_t count = std::min<std::size_t>(64, begun_.size() - begin);
    std::uint64_t found = 0;
    for (std::size_t i = 0; i < count; ++i) {
      found |= std::uint64_t{begun_[begin + i] <= most} << i;
    }
    bits[word] |= found;
  }
}

const std::vector<LoopTable::Exit>& LoopTable::exits(std::uint8_t byte) const {
  std::call_once(once_[byte], [&] {
    const auto& nodes = trie_.nodes();
    for (std::uint32_t i = 1; i < nodes.size(); ++i) {
      if (nodes[i].byte == byte && finished_[i] != kNotRead) {
        exits_[byte].push_back({i, finished_[i]});
      }
    }
  });
  return exits_[byte];
}

}  // namespace weft::inference::grammar
