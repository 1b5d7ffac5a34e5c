#pragma once
// Where a text stands in a grammar, and which tokens may come next: all readings at once, as a set
// of states with stacks that share their tails. What was worked out is kept, so that most steps are
// look-ups. Source: Tomita 1987 (graph-structured stacks), with the token masks of Willard and
// Louf 2023 taken over the vocabulary's trie.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "inference/grammar/automaton.h"
#include "inference/grammar/token_trie.h"

namespace weft::inference::grammar {

class LoopTable;

/// A value: copies go their own way, with all that is kept.
class Recogniser {
 public:
  /// A place of a text in the grammar, a number of this object.
  using Place = std::uint32_t;
  static constexpr Place kDead = 0;  // no text that goes on from here follows the grammar

  Recogniser(std::shared_ptr<const Automaton> automaton, std::shared_ptr<const TokenTrie> trie);

  Place start() const noexcept { return start_; }
  Place after(Place place, std::uint8_t byte);
  Place after(Place place, std::string_view bytes);
  /// Whether the text may end here.
  bool accepts(Place place) const noexcept { return configs_[place].accepts; }

  /// The tokens that may come, a bit each; ends of the answer where the text may end. Borrowed
  /// until the next call.
  std::span<const std::uint64_t> mask(Place place);

  /// What has to come next, at most `bytes_max` of it.
  std::string forced(Place place, std::size_t bytes_max);

  /// Forgets what is kept beyond `place` where that has become much; the place's new number.
  Place compact(Place place);
  /// The grammar is so ambiguous that its readings don't fit the limits: places may be wrong.
  bool overflowed() const noexcept { return overflowed_; }

  const TokenTrie& trie() const noexcept { return *trie_; }

 private:
  using FrameId = std::uint32_t;
  /// One reading: a state and the stack of states to return to.
  struct Item {
    StateId state;
    FrameId frame;

    friend auto operator<=>(const Item&, const Item&) = default;
  };
  struct Frame {
    StateId next;
    FrameId parent;
    std::uint32_t depth;
  };
  struct Config {
    std::uint32_t begin;  // in items_
    std::uint32_t end;
    bool accepts;
    std::uint32_t mask;  // in masks_, or kNone
  };
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  static constexpr Place kUnknown = 0xFFFFFFFF;
  static constexpr FrameId kBottom = 0;

  void reset();
  FrameId push(StateId next, FrameId parent);
  void add(Item item);
  Place closed();
  Place intern(std::span<const Item> items, bool accepts);
  void prepare(Place place);
  Place step(Place place, std::uint8_t byte);
  Place structural(Place place);
  void add_loop(Item item, std::span<std::uint64_t> bits);
  void walk(std::uint32_t node, Place place, std::span<std::uint64_t> bits);
  void mark(std::uint32_t node, std::span<std::uint64_t> bits) const;

  std::shared_ptr<const Automaton> automaton_;
  std::shared_ptr<const TokenTrie> trie_;
  std::vector<Frame> frames_;
  std::unordered_map<std::uint64_t, FrameId> frame_ids_;
  std::vector<Item> items_;
  std::vector<Config> configs_;
  std::vector<std::array<Place, 256>> next_;              // by place
  std::unordered_multimap<std::uint64_t, Place> places_;  // by hash
  std::vector<std::vector<std::uint64_t>> masks_;
  std::unordered_map<std::uint64_t, std::shared_ptr<const LoopTable>> tables_;
  std::vector<Item> open_;  // of the closure being made
  std::vector<Item> seen_;
  std::vector<Place> path_;  // of the walk, by depth
  bool accepts_ = false;
  bool overflowed_ = false;
  Place start_ = kDead;
};

}  // namespace weft::inference::grammar
