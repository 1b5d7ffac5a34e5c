// The monitor of monitor.h that has names follow a trigger. All readings of the text are kept: the
// free one, and what is left of each name that may still be meant.

#include <algorithm>
#include <array>
#include <utility>

#include "inference/grammar/monitor.h"

namespace weft::inference::grammar {
namespace {

constexpr std::size_t kTriggerBytesMax = 256;  // a mask each

void set(std::span<std::uint64_t> bits, TokenId id) {
  const auto token = static_cast<std::size_t>(id);
  bits[token / 64] |= std::uint64_t{1} << (token % 64);
}

void set_all(std::span<std::uint64_t> bits, std::span<const TokenId> ids) {
  for (const TokenId id : ids) set(bits, id);
}

/// How much of the trigger a text ends with: Knuth, Morris and Pratt's automaton.
class TriggerMatch {
 public:
  explicit TriggerMatch(const std::string& trigger) : next_(trigger.size() + 1) {
    std::size_t fallback = 0;
    for (std::size_t state = 0; state <= trigger.size(); ++state) {
      next_[state] = next_[fallback];
      if (state == trigger.size()) break;
      const auto byte = static_cast<std::uint8_t>(trigger[state]);
      next_[state][byte] = state + 1;
      if (state != 0) fallback = next_[fallback][byte];
    }
  }

  std::size_t after(std::size_t state, std::string_view text) const {
    for (const char byte : text) state = next_[state][static_cast<std::uint8_t>(byte)];
    return state;
  }
  std::size_t after(std::size_t state, std::uint8_t byte) const { return next_[state][byte]; }
  bool is_whole(std::size_t state) const { return state + 1 == next_.size(); }

 private:
  std::vector<std::array<std::size_t, 256>> next_;
};

/// Calls each(node) for the children of a node.
template <typename Each>
void each_child(const TokenTrie& trie, std::uint32_t node, const Each& each) {
  const auto& nodes = trie.nodes();
  for (std::uint32_t child = node + 1; child < nodes[node].end; child = nodes[child].end) {
    each(child);
  }
}

/// Sets what lies at `node` and below, whose byte leads to `state` of the trigger, but nothing that
/// runs on beyond a whole one.
void set_free(const TokenTrie& trie, std::uint32_t node, const TriggerMatch& trigger,
              std::size_t state, std::span<std::uint64_t> bits) {
  const auto& nodes = trie.nodes();
  const std::size_t top = nodes[node].depth;
  std::vector<std::size_t> states = {state};  // by depth below `node`
  set_all(bits, trie.tokens(node));
  if (trigger.is_whole(state) && node != 0) return;
  for (std::uint32_t i = node + 1; i < nodes[node].end;) {
    const std::size_t depth = nodes[i].depth - top;
    states.resize(depth + 1);
    states[depth] = trigger.after(states[depth - 1], nodes[i].byte);
    set_all(bits, trie.tokens(i));
    i = trigger.is_whole(states[depth]) ? nodes[i].end : i + 1;
  }
}

/// What may come in free text once `state` of the trigger was read.
std::vector<std::uint64_t> free_mask(const TokenTrie& trie, const TriggerMatch& trigger,
                                     std::size_t state) {
  std::vector<std::uint64_t> bits((trie.vocabulary() + 63) / 64);
  set_free(trie, 0, trigger, state, bits);
  for (std::size_t token = 0; token < trie.vocabulary(); ++token) {
    const auto id = static_cast<TokenId>(token);
    if (trie.bytes(id).empty()) set(bits, id);  // control tokens, ends of the answer
  }
  return bits;
}

class NameMonitor : public Monitor {
 public:
  NameMonitor(NameMonitorOptions options, std::shared_ptr<const TokenTrie> trie)
      : rules_(std::make_shared<const Rules>(std::move(options), std::move(trie))) {}

  std::unique_ptr<Monitor> clone() const override { return std::make_unique<NameMonitor>(*this); }

  void pre(std::string_view text) override {
    if (!is_begun_) {
      is_begun_ = true;
      read_ = rules_->trigger.after(0, text);
      is_triggered_ = rules_->trigger.is_whole(read_);
    }
    if (!is_triggered_) return;
    is_triggered_ = false;
    auto names = rules_->options.names(text);
    if (names.empty()) return;
    is_free_ = false;
    left_.insert(left_.end(), names.begin(), names.end());
  }

  void allow(std::span<std::uint64_t> bits) const override {
    if (is_free_) std::ranges::copy(rules_->free_masks[read_], bits.begin());
    for (const std::string& name : left_) allow_name(name, bits);
  }

  void update(std::string_view piece) override {
    if (piece.empty()) return;
    bool is_free = is_free_;
    std::vector<std::string> left;
    for (const std::string& name : left_) {
      if (name.starts_with(piece)) {
        left.push_back(name.substr(piece.size()));
      } else if (piece.starts_with(name) && ends_name(piece[name.size()])) {
        is_free = true;
      }
    }
    left_ = std::move(left);
    is_free_ = is_free;
    read_ = rules_->trigger.after(read_, piece);
    is_triggered_ = is_free_ && rules_->trigger.is_whole(read_);
  }

 private:
  struct Rules {
    Rules(NameMonitorOptions given, std::shared_ptr<const TokenTrie> vocabulary)
        : options(std::move(given)), trie(std::move(vocabulary)), trigger(options.trigger) {
      for (std::size_t state = 0; state <= options.trigger.size(); ++state) {
        free_masks.push_back(free_mask(*trie, trigger, state));
      }
    }

    NameMonitorOptions options;
    std::shared_ptr<const TokenTrie> trie;
    TriggerMatch trigger;
    // By how much of the trigger was read: walking all of the trie takes a millisecond.
    std::vector<std::vector<std::uint64_t>> free_masks;
  };

  bool ends_name(char byte) const {
    return !rules_->options.of_names[static_cast<std::uint8_t>(byte)];
  }

  /// Parts of the name, the whole of it, and that with what ends it.
  void allow_name(std::string_view name, std::span<std::uint64_t> bits) const {
    const TokenTrie& trie = *rules_->trie;
    std::uint32_t node = 0;
    for (const char byte : name) {
      std::uint32_t next = 0;
      each_child(trie, node, [&](std::uint32_t child) {
        if (trie.nodes()[child].byte == static_cast<std::uint8_t>(byte)) next = child;
      });
      if (next == 0) return;
      node = next;
      set_all(bits, trie.tokens(node));
    }
    if (name.empty()) {
      for (const TokenId end : trie.ends()) set(bits, end);
    }
    const std::size_t read = rules_->trigger.after(read_, name);
    each_child(trie, node, [&](std::uint32_t child) {
      const std::uint8_t byte = trie.nodes()[child].byte;
      if (rules_->options.of_names[byte]) return;
      set_free(trie, child, rules_->trigger, rules_->trigger.after(read, byte), bits);
    });
  }

  std::shared_ptr<const Rules> rules_;
  bool is_begun_ = false;
  bool is_triggered_ = false;  // the text ends with it, and the names haven't been asked for
  bool is_free_ = true;
  std::size_t read_ = 0;           // of the trigger
  std::vector<std::string> left_;  // of names that may still be meant
};

}  // namespace

std::bitset<256> NameMonitorOptions::identifier_bytes() {
  std::bitset<256> bytes;
  for (unsigned byte = 0; byte < 256; ++byte) {
    bytes[byte] = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                  (byte >= '0' && byte <= '9') || byte == '_' || byte >= 0x80;
  }
  return bytes;
}

Result<std::shared_ptr<const Monitor>> name_monitor(NameMonitorOptions options,
                                                    std::shared_ptr<const TokenTrie> trie) {
  if (options.trigger.empty()) {
    return Error{ErrorCode::kInvalidArgument, "the text that names follow is empty"};
  }
  if (!options.names) {
    return Error{ErrorCode::kInvalidArgument,
                 "nothing says which names may follow '" + options.trigger + "'"};
  }
  if (options.trigger.size() > kTriggerBytesMax) {
    return Error{ErrorCode::kInvalidArgument,
                 "the text that names follow has " + std::to_string(options.trigger.size()) +
                     " bytes; the most are " + std::to_string(kTriggerBytesMax)};
  }
  return std::shared_ptr<const Monitor>(
      std::make_shared<NameMonitor>(std::move(options), std::move(trie)));
}

}  // namespace weft::inference::grammar
