#include "inference/grammar/loop_body.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace weft::inference::grammar {
namespace {

constexpr std::size_t kPartsMax = 512;   // states before they are made deterministic
constexpr std::size_t kStatesMax = 128;  // and after
constexpr std::uint32_t kNoNode = 0xFFFFFFFF;

using Part = std::uint32_t;  // a state of the nondeterministic automaton

class Parts {
 public:
  static constexpr Part kAccepting = 0;

  explicit Parts(const Grammar& grammar) : grammar_(grammar) { all_.emplace_back(); }

  /// The state from which `node` leads to `next`; nothing if it calls a rule or is large.
  std::optional<Part> add(NodeId id, Part next) {
    if (all_.size() > kPartsMax) return std::nullopt;
    const Node& node = grammar_.nodes()[id];
    switch (node.kind) {
      case Node::Kind::kBytes:
        all_.push_back({.node = id, .to = {next}});
        return last();
      case Node::Kind::kSequence:
        for (auto child = node.children.rbegin(); child != node.children.rend(); ++child) {
          const auto part = add(*child, next);
          if (!part) return std::nullopt;
          next = *part;
        }
        return next;
      case Node::Kind::kChoice: {
        One choice;
        for (const NodeId child : node.children) {
          const auto part = add(child, next);
          if (!part) return std::nullopt;
          choice.to.push_back(*part);
        }
        all_.push_back(std::move(choice));
        return last();
      }
      case Node::Kind::kRepeat:
        return repeat(node, next);
      case Node::Kind::kRule:
        return std::nullopt;
    }
    return std::nullopt;
  }

  /// What can be reached from `set` without reading, sorted.
  std::vector<Part> closed(std::vector<Part> set) const {
    std::vector<bool> seen(all_.size());
    std::vector<Part> open = std::move(set);
    std::vector<Part> found;
    while (!open.empty()) {
      const Part part = open.back();
      open.pop_back();
      if (seen[part]) continue;
      seen[part] = true;
      if (part == kAccepting || all_[part].node != kNoNode) {
        found.push_back(part);
      } else {
        open.insert(open.end(), all_[part].to.begin(), all_[part].to.end());
      }
    }
    std::ranges::sort(found);
    return found;
  }

  /// What reading `byte` leads to; not closed.
  std::vector<Part> after(const std::vector<Part>& set, unsigned byte) const {
    std::vector<Part> reached;
    for (const Part part : set) {
      if (part != kAccepting && grammar_.nodes()[all_[part].node].bytes[byte]) {
        reached.push_back(all_[part].to.front());
      }
    }
    return reached;
  }

 private:
  struct One {
    NodeId node = kNoNode;  // reads a byte of it; or else reads nothing
    std::vector<Part> to = {};
  };

  Part last() const { return static_cast<Part>(all_.size() - 1); }

  std::optional<Part> repeat(const Node& node, Part next) {
    const NodeId body = node.children.front();
    if (node.min > kPartsMax || (node.max != kUnbounded && node.max > kPartsMax)) {
      return std::nullopt;
    }
    if (node.max == kUnbounded) {
      all_.emplace_back();
      const Part again = last();
      const auto part = add(body, again);
      if (!part) return std::nullopt;
      all_[again].to = {*part, next};
      next = again;
    } else {
      const Part end = next;
      for (std::uint32_t i = node.min; i < node.max; ++i) {
        const auto part = add(body, next);
        if (!part) return std::nullopt;
        all_.push_back({.to = {*part, end}});
        next = last();
      }
    }
    for (std::uint32_t i = 0; i < node.min; ++i) {
      const auto part = add(body, next);
      if (!part) return std::nullopt;
      next = *part;
    }
    return next;
  }

  const Grammar& grammar_;
  std::vector<One> all_;
};

/// Makes bytes that lead to where nothing is accepted dead. False if that is all of them.
bool trim(LoopBody& body) {
  std::vector<bool> leads(body.next.size());
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t i = 0; i < body.next.size(); ++i) {
      if (leads[i]) continue;
      leads[i] = std::ranges::any_of(body.next[i], [&](std::uint8_t to) {
        return to == LoopBody::kDone || (to != LoopBody::kDead && leads[to]);
      });
      changed |= leads[i];
    }
  }
  for (auto& row : body.next) {
    for (std::uint8_t& to : row) {
      if (to < LoopBody::kDone && !leads[to]) to = LoopBody::kDead;
    }
  }
  return leads.front();
}

}  // namespace

std::shared_ptr<const LoopBody> loop_body(const Grammar& grammar, NodeId body) {
  Parts parts(grammar);
  const auto start = parts.add(body, Parts::kAccepting);
  if (!start) return nullptr;
  std::vector<std::vector<Part>> sets = {parts.closed({*start})};
  std::map<std::vector<Part>, std::uint8_t> numbers = {{sets.front(), 0}};
  auto made = std::make_shared<LoopBody>();
  for (std::size_t i = 0; i < sets.size(); ++i) {
    // Where the start accepts, the body has the empty text.
    if (!sets[i].empty() && sets[i].front() == Parts::kAccepting) return nullptr;
    auto& row = made->next.emplace_back();
    std::vector<Part> before;
    for (unsigned byte = 0; byte < 256; ++byte) {
      auto reached = parts.after(sets[i], byte);
      // Neighbours mostly lead to the same place.
      if (byte > 0 && reached == before) {
        row[byte] = row[byte - 1];
        continue;
      }
      before = reached;
      auto set = parts.closed(std::move(reached));
      if (set.empty()) {
        row[byte] = LoopBody::kDead;
      } else if (set.front() == Parts::kAccepting) {
        if (set.size() > 1) return nullptr;  // it could end here or go on
        row[byte] = LoopBody::kDone;
      } else {
        const auto [found, is_new] = numbers.try_emplace(set, sets.size());
        if (is_new) {
          if (sets.size() == kStatesMax) return nullptr;
          sets.push_back(std::move(set));
        }
        row[byte] = found->second;
      }
    }
  }
  return trim(*made) ? made : nullptr;
}

}  // namespace weft::inference::grammar
