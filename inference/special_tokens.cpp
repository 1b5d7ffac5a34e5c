#include "inference/special_tokens.h"

#include <algorithm>
#include <string>

namespace weft::inference {
namespace {

constexpr std::size_t kTextBytesMax = 4 << 20;

bool is_ascii_space(char c) noexcept { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool inside_one(std::span<const ByteRange> ranges, std::size_t begin, std::size_t end) noexcept {
  const auto after = std::ranges::upper_bound(ranges, begin, {}, &ByteRange::begin);
  return after != ranges.begin() && end <= (after - 1)->end;
}

// Which bytes belong to accepted tokens. Tokens come longest first, so one that overlaps an
// accepted one always has its first or its last byte in it.
class Taken {
 public:
  explicit Taken(std::string_view text) : text_(text), taken_(text.size()) {}

  bool is_free(std::size_t begin, std::size_t end) const {
    return !taken_[begin] && !taken_[end - 1];
  }
  Fragment take(std::size_t begin, std::size_t end, const SpecialToken& token) {
    while (token.strips_left && begin > 0 && strippable(begin - 1)) --begin;
    while (token.strips_right && end < text_.size() && strippable(end)) ++end;
    for (std::size_t at = begin; at < end; ++at) taken_[at] = true;
    return {begin, end, token.id};
  }

 private:
  bool strippable(std::size_t at) const { return !taken_[at] && is_ascii_space(text_[at]); }

  std::string_view text_;
  std::vector<bool> taken_;
};

std::vector<Fragment> with_text_between(std::vector<Fragment> tokens, std::size_t size) {
  std::ranges::sort(tokens, {}, &Fragment::begin);
  std::vector<Fragment> all;
  all.reserve(2 * tokens.size() + 1);
  std::size_t at = 0;
  for (const Fragment& token : tokens) {
    if (at < token.begin) all.push_back({at, token.begin, Fragment::kText});
    all.push_back(token);
    at = token.end;
  }
  if (at < size) all.push_back({at, size, Fragment::kText});
  return all;
}

}  // namespace

Result<SpecialTokens> SpecialTokens::build(std::span<const SpecialToken> tokens) {
  SpecialTokens built;
  built.tokens_.reserve(tokens.size());
  std::size_t bytes = 0;
  for (const SpecialToken& token : tokens) {
    bytes += token.text.size();
    if (bytes > kTextBytesMax) {
      return Error{ErrorCode::kCorrupt, "the special tokens' texts have more than " +
                                            std::to_string(kTextBytesMax) + " bytes"};
    }
    if (token.text.empty() ||
        !built.insert(token.text, static_cast<std::int32_t>(built.tokens_.size()))) {
      return Error{ErrorCode::kCorrupt, "special token " + std::to_string(token.id) +
                                            (token.text.empty() ? " is empty" : " is a duplicate")};
    }
    built.tokens_.push_back(token);
    built.tokens_.back().text = {};
  }
  built.nodes_.shrink_to_fit();
  built.link();
  return built;
}

bool SpecialTokens::insert(std::string_view text, std::int32_t token) {
  std::uint32_t node = 0;
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    std::uint32_t next = child(node, byte);
    if (next == 0) {
      next = static_cast<std::uint32_t>(nodes_.size());
      nodes_.push_back(
          {.sibling = nodes_[node].first_child, .depth = nodes_[node].depth + 1, .byte = byte});
      nodes_[node].first_child = next;
      if (node == 0) root_[byte] = next;
    }
    node = next;
  }
  if (nodes_[node].token >= 0) return false;
  nodes_[node].token = token;
  return true;
}

// Breadth first, so that a node's suffixes, which are shorter, are linked before it.
void SpecialTokens::link() {
  std::vector<std::uint32_t> queue{0};
  queue.reserve(nodes_.size());
  for (std::size_t at = 0; at < queue.size(); ++at) {
    const std::uint32_t parent = queue[at];
    for (std::uint32_t n = nodes_[parent].first_child; n != 0; n = nodes_[n].sibling) {
      nodes_[n].fail = parent == 0 ? 0 : step(nodes_[parent].fail, nodes_[n].byte);
      nodes_[n].output = nodes_[n].token >= 0 ? n : nodes_[nodes_[n].fail].output;
      queue.push_back(n);
    }
  }
}

std::uint32_t SpecialTokens::child(std::uint32_t node, std::uint8_t byte) const noexcept {
  if (node == 0) return root_[byte];
  std::uint32_t n = nodes_[node].first_child;
  while (n != 0 && nodes_[n].byte != byte) n = nodes_[n].sibling;
  return n;
}

std::uint32_t SpecialTokens::step(std::uint32_t node, std::uint8_t byte) const noexcept {
  for (;;) {
    const std::uint32_t next = child(node, byte);
    if (next != 0 || node == 0) return next;
    node = nodes_[node].fail;
  }
}

std::vector<SpecialTokens::Hit> SpecialTokens::find_hits(std::string_view text) const {
  std::vector<Hit> hits;
  std::uint32_t node = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    node = step(node, static_cast<std::uint8_t>(text[at]));
    if (node != 0 && nodes_[node].output != 0) hits.push_back({at + 1, nodes_[node].output});
  }
  return hits;
}

// The longest token at the hit, from its node on, that may be recognised there; 0 if none.
std::uint32_t SpecialTokens::allowed_output(Hit hit,
                                            std::span<const ByteRange> trusted) const noexcept {
  std::uint32_t node = hit.node;
  while (node != 0) {
    const Node& n = nodes_[node];
    const SpecialToken& token = tokens_[static_cast<std::size_t>(n.token)];
    if (!token.needs_trust || inside_one(trusted, hit.end - n.depth, hit.end)) break;
    node = nodes_[n.fail].output;
  }
  return node;
}

std::vector<Fragment> SpecialTokens::split(std::string_view text,
                                           std::span<const ByteRange> trusted) const {
  std::vector<Hit> hits = find_hits(text);
  for (Hit& hit : hits) hit.node = allowed_output(hit, trusted);
  if (hits.empty()) return with_text_between({}, text.size());

  std::vector<Fragment> accepted;
  Taken taken(text);
  for (;;) {  // each pass accepts the tokens of one length, and all hits move to shorter ones
    std::erase_if(hits, [](const Hit& hit) { return hit.node == 0; });
    std::uint32_t length = 0;
    for (const Hit& hit : hits) length = std::max(length, nodes_[hit.node].depth);
    if (length == 0) break;
    for (Hit& hit : hits) {
      const Node& node = nodes_[hit.node];
      if (node.depth != length) continue;
      if (taken.is_free(hit.end - length, hit.end)) {
        accepted.push_back(
            taken.take(hit.end - length, hit.end, tokens_[static_cast<std::size_t>(node.token)]));
      }
      hit.node = allowed_output({hit.end, nodes_[node.fail].output}, trusted);
    }
  }
  return with_text_between(std::move(accepted), text.size());
}

}  // namespace weft::inference
