#include "inference/grammar/recogniser.h"

#include <algorithm>
#include <utility>

#include "inference/grammar/loop_table.h"

namespace weft::inference::grammar {
namespace {

constexpr std::size_t kItemsMax = 1024;      // readings at once
constexpr std::size_t kPlacesKept = 16'384;  // 1 KB each
constexpr std::size_t kPlacesMax = 131'072;  // within one step
constexpr std::size_t kMasksKept = 1024;     // 19 KB each for 150k tokens

using Kind = Automaton::State::Kind;

std::uint64_t mixed(std::uint64_t hash, std::uint64_t value) noexcept {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15;
  return hash ^ (hash >> 29);
}

std::uint64_t pair(std::uint32_t high, std::uint32_t low) noexcept {
  return std::uint64_t{high} << 32 | low;
}

}  // namespace

Recogniser::Recogniser(std::shared_ptr<const Automaton> automaton,
                       std::shared_ptr<const TokenTrie> trie)
    : automaton_(std::move(automaton)), trie_(std::move(trie)) {
  const auto deepest = std::ranges::max(trie_->nodes(), {}, &TokenTrie::Node::depth).depth;
  path_.resize(std::size_t{deepest} + 1);
  reset();
  add({automaton_->start(), kBottom});
  start_ = closed();
}

void Recogniser::reset() {
  frames_ = {{.next = Automaton::kFinal, .parent = kBottom, .depth = 0}};
  frame_ids_.clear();
  items_.clear();
  configs_.clear();
  next_.clear();
  places_.clear();
  masks_.clear();
  intern({}, false);  // kDead
}

Recogniser::FrameId Recogniser::push(StateId next, FrameId parent) {
  const auto [found, is_new] =
      frame_ids_.try_emplace(pair(next, parent), static_cast<FrameId>(frames_.size()));
  if (is_new) frames_.push_back({next, parent, frames_[parent].depth + 1});
  return found->second;
}

/// Adds what can be reached from `item` without reading to the closure being made.
void Recogniser::add(Item item) {
  open_.push_back(item);
  while (!open_.empty()) {
    item = open_.back();
    open_.pop_back();
    // Only what can still be completed within the depth is a reading: no text ends in a blind
    // alley.
    if (frames_[item.frame].depth + automaton_->height(item.state) > automaton_->depth_max()) {
      continue;
    }
    if (std::ranges::find(seen_, item) != seen_.end()) continue;
    if (seen_.size() == kItemsMax) {
      overflowed_ = true;
      open_.clear();
      return;
    }
    seen_.push_back(item);
    if (automaton_->is_in_loop(item.state)) {
      const auto place = automaton_->place(item.state);
      if (place.state == 0 && place.count >= place.loop->min) {
        open_.push_back({place.loop->exit, item.frame});
      }
      continue;
    }
    const auto& state = automaton_->state(item.state);
    switch (state.kind) {
      case Kind::kFinal:
        if (item.frame == kBottom) {
          accepts_ = true;
        } else {
          open_.push_back({frames_[item.frame].next, frames_[item.frame].parent});
        }
        break;
      case Kind::kBytes:
        break;
      case Kind::kSplit:
        for (const StateId to : automaton_->targets(state)) open_.push_back({to, item.frame});
        break;
      case Kind::kCall:
        // The last call of a rule returns to where the rule does: lists don't grow the stack.
        open_.push_back({state.callee, state.next == Automaton::kFinal
                                           ? item.frame
                                           : push(state.next, item.frame)});
        break;
      case Kind::kLoop:
        open_.push_back({automaton_->loop(state).first, item.frame});
        break;
    }
  }
}

/// The place of the closure that add() has made.
Recogniser::Place Recogniser::closed() {
  std::erase_if(seen_, [&](const Item& item) {
    return !automaton_->is_in_loop(item.state) &&
           automaton_->state(item.state).kind != Kind::kBytes;
  });
  std::ranges::sort(seen_);
  const bool accepts = std::exchange(accepts_, false);
  const Place place = seen_.empty() && !accepts ? kDead : intern(seen_, accepts);
  seen_.clear();
  return place;
}

Recogniser::Place Recogniser::intern(std::span<const Item> items, bool accepts) {
  std::uint64_t hash = accepts ? 1 : 0;
  for (const Item& item : items) hash = mixed(hash, pair(item.state, item.frame));
  const auto [begin, end] = places_.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    const Config& config = configs_[it->second];
    if (config.accepts == accepts &&
        std::ranges::equal(items,
                           std::span(items_).subspan(config.begin, config.end - config.begin))) {
      return it->second;
    }
  }
  if (configs_.size() == kPlacesMax) {
    overflowed_ = true;
    return kDead;
  }
  const auto place = static_cast<Place>(configs_.size());
  const auto first = static_cast<std::uint32_t>(items_.size());
  items_.insert(items_.end(), items.begin(), items.end());
  configs_.push_back({first, static_cast<std::uint32_t>(items_.size()), accepts, kNone});
  places_.emplace(hash, place);
  prepare(place);
  return place;
}

/// Tells bytes that may be read from those that lead nowhere.
void Recogniser::prepare(Place place) {
  auto& next = next_.emplace_back();
  next.fill(kDead);
  for (std::uint32_t i = configs_[place].begin; i < configs_[place].end; ++i) {
    const StateId id = items_[i].state;
    if (automaton_->is_in_loop(id)) {
      const auto at = automaton_->place(id);
      if (at.state == 0 && at.count == at.loop->max) continue;
      const auto& row = at.loop->body->next[at.state];
      for (std::size_t byte = 0; byte < 256; ++byte) {
        if (row[byte] != LoopBody::kDead) next[byte] = kUnknown;
      }
      continue;
    }
    for (const auto& edge : automaton_->edges(automaton_->state(id))) {
      std::fill(next.begin() + edge.first, next.begin() + edge.last + 1, kUnknown);
    }
  }
}

Recogniser::Place Recogniser::step(Place place, std::uint8_t byte) {
  for (std::uint32_t i = configs_[place].begin; i < configs_[place].end; ++i) {
    const Item item = items_[i];
    if (automaton_->is_in_loop(item.state)) {
      const auto at = automaton_->place(item.state);
      const auto& loop = *at.loop;
      if (at.state == 0 && at.count == loop.max) continue;
      const std::uint8_t to = loop.body->next[at.state][byte];
      if (to == LoopBody::kDead) continue;
      const bool done = to == LoopBody::kDone;
      const bool counts = done && !(loop.max == kUnbounded && at.count == loop.min);
      const auto stride = static_cast<StateId>(loop.body->next.size());
      add({loop.first + (at.count + (counts ? 1 : 0)) * stride + (done ? 0U : to), item.frame});
      continue;
    }
    for (const auto& edge : automaton_->edges(automaton_->state(item.state))) {
      if (edge.first <= byte && byte <= edge.last) add({edge.to, item.frame});
    }
  }
  return closed();
}

Recogniser::Place Recogniser::after(Place place, std::uint8_t byte) {
  const Place known = next_[place][byte];
  if (known != kUnknown) return known;
  const Place next = step(place, byte);
  next_[place][byte] = next;
  return next;
}

Recogniser::Place Recogniser::after(Place place, std::string_view bytes) {
  for (const char byte : bytes) place = after(place, static_cast<std::uint8_t>(byte));
  return place;
}

void Recogniser::mark(std::uint32_t node, std::span<std::uint64_t> bits) const {
  for (const TokenId id : trie_->tokens(node)) {
    const auto token = static_cast<std::size_t>(id);
    bits[token / 64] |= std::uint64_t{1} << (token % 64);
  }
}

/// Marks the tokens below `node`, whose bytes led to `place`.
void Recogniser::walk(std::uint32_t node, Place place, std::span<std::uint64_t> bits) {
  const auto& nodes = trie_->nodes();
  path_[nodes[node].depth] = place;
  for (std::uint32_t i = node + 1; i < nodes[node].end;) {
    const Place next = after(path_[nodes[i].depth - 1U], nodes[i].byte);
    if (next == kDead) {
      i = nodes[i].end;
      continue;
    }
    path_[nodes[i].depth] = next;
    mark(i, bits);
    ++i;
  }
}

/// The readings of a place that aren't in a loop: few tokens continue these.
Recogniser::Place Recogniser::structural(Place place) {
  std::vector<Item> items;
  for (std::uint32_t i = configs_[place].begin; i < configs_[place].end; ++i) {
    if (!automaton_->is_in_loop(items_[i].state)) items.push_back(items_[i]);
  }
  return items.empty() ? kDead : intern(items, false);
}

/// Marks what a reading within a loop may go on with: what stays in the loop, which is known, and
/// what leaves it, from where it does.
void Recogniser::add_loop(Item item, std::span<std::uint64_t> bits) {
  const auto at = automaton_->place(item.state);
  const auto& loop = *at.loop;
  const std::uint32_t left = loop.max == kUnbounded ? kUnbounded : loop.max - at.count;
  if (left == 0) return;
  auto& table = tables_[pair(loop.first, at.state)];
  if (table == nullptr) table = trie_->loop_table(loop.body, at.state);
  table->add_tokens(left, bits);
  add({loop.exit, item.frame});
  const Place exit = closed();
  for (unsigned byte = 0; byte < 256 && exit != kDead; ++byte) {
    const Place next = after(exit, static_cast<std::uint8_t>(byte));
    if (next == kDead) continue;
    for (const auto& leaving : table->exits(static_cast<std::uint8_t>(byte))) {
      if (leaving.repetitions > left || at.count + leaving.repetitions < loop.min) continue;
      mark(leaving.node, bits);
      walk(leaving.node, next, bits);
    }
  }
}

std::span<const std::uint64_t> Recogniser::mask(Place place) {
  if (configs_[place].mask != kNone) return masks_[configs_[place].mask];
  if (masks_.size() == kMasksKept) {
    masks_.clear();
    for (Config& config : configs_) config.mask = kNone;
  }
  std::vector<std::uint64_t> bits((trie_->vocabulary() + 63) / 64);
  if (const Place strict = structural(place); strict != kDead) walk(0, strict, bits);
  for (std::uint32_t i = configs_[place].begin; i < configs_[place].end; ++i) {
    if (automaton_->is_in_loop(items_[i].state)) add_loop(items_[i], bits);
  }
  if (configs_[place].accepts) {
    for (const TokenId id : trie_->ends()) {
      const auto token = static_cast<std::size_t>(id);
      bits[token / 64] |= std::uint64_t{1} << (token % 64);
    }
  }
  configs_[place].mask = static_cast<std::uint32_t>(masks_.size());
  masks_.push_back(std::move(bits));
  return masks_.back();
}

std::string Recogniser::forced(Place place, std::size_t bytes_max) {
  std::string text;
  while (place != kDead && !accepts(place) && text.size() < bytes_max) {
    std::size_t choices = 0;
    std::uint8_t only = 0;
    for (unsigned byte = 0; byte < 256 && choices < 2; ++byte) {
      if (after(place, static_cast<std::uint8_t>(byte)) == kDead) continue;
      ++choices;
      only = static_cast<std::uint8_t>(byte);
    }
    if (choices != 1) break;
    text.push_back(static_cast<char>(only));
    place = after(place, only);
  }
  return text;
}

Recogniser::Place Recogniser::compact(Place place) {
  if (configs_.size() <= kPlacesKept) return place;
  const Config live = configs_[place];
  const std::vector<Item> old(items_.begin() + live.begin, items_.begin() + live.end);
  const std::vector<Frame> frames = std::move(frames_);
  reset();
  std::vector<Item> items;
  for (const Item& item : old) {
    std::vector<FrameId> stack;
    for (FrameId frame = item.frame; frame != kBottom; frame = frames[frame].parent) {
      stack.push_back(frame);
    }
    FrameId frame = kBottom;
    for (auto each = stack.rbegin(); each != stack.rend(); ++each) {
      frame = push(frames[*each].next, frame);
    }
    items.push_back({item.state, frame});
  }
  std::ranges::sort(items);
  const Place moved = items.empty() && !live.accepts ? kDead : intern(items, live.accepts);
  add({automaton_->start(), kBottom});
  start_ = closed();
  return moved;
}

}  // namespace weft::inference::grammar
