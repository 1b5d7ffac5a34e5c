#include "inference/grammar/token_trie.h"

#include <algorithm>

#include "inference/grammar/loop_table.h"

namespace weft::inference::grammar {
namespace {

constexpr std::size_t kTablesMax = 64;          // about 1 MB each for 150k tokens
constexpr std::size_t kTokenBytesMax = 0x7FFF;  // depths have 16 bits; longer tokens are left out

bool may_be_text(const Tokenizer& tokenizer, TokenId id) {
  switch (tokenizer.kind(id)) {
    case TokenKind::kNormal:
    case TokenKind::kUserDefined:
    case TokenKind::kByte:
      return !tokenizer.is_end_of_generation(id);
    case TokenKind::kUnknown:
    case TokenKind::kControl:
    case TokenKind::kUnused:
      return false;
  }
  return false;
}

}  // namespace

TokenTrie::~TokenTrie() = default;

Result<std::shared_ptr<const TokenTrie>> TokenTrie::of(const Tokenizer& tokenizer) {
  std::vector<std::string_view> pieces;
  std::vector<TokenId> ends;
  for (TokenId id = 0; static_cast<std::size_t>(id) < tokenizer.size(); ++id) {
    if (tokenizer.is_end_of_generation(id)) ends.push_back(id);
    pieces.push_back(may_be_text(tokenizer, id) ? tokenizer.piece(id) : "");
  }
  return of(pieces, std::move(ends));
}

Result<std::shared_ptr<const TokenTrie>> TokenTrie::of(std::span<const std::string_view> pieces,
                                                       std::vector<TokenId> ends) {
  std::shared_ptr<TokenTrie> trie(new TokenTrie);
  trie->vocabulary_ = pieces.size();
  trie->ends_ = std::move(ends);
  struct Entry {
    std::uint64_t head;  // the first bytes, so that most comparisons see no more than these
    std::string_view text;
    TokenId id;
  };
  std::vector<Entry> entries;
  for (const std::string_view text : pieces) {
    const bool is_in = !text.empty() && text.size() <= kTokenBytesMax;
    if (is_in) {
      std::uint64_t head = 0;
      for (std::size_t i = 0; i < 8; ++i) {
        head = head << 8 | (i < text.size() ? static_cast<unsigned char>(text[i]) : 0);
      }
      entries.push_back({head, text, static_cast<TokenId>(trie->arena_ends_.size())});
      trie->arena_.insert(trie->arena_.end(), text.begin(), text.end());
    }
    trie->arena_ends_.push_back(static_cast<std::uint32_t>(trie->arena_.size()));
  }
  if (trie->ends_.empty()) {
    return Error{ErrorCode::kUnsupported,
                 "the model's vocabulary has no token that ends an answer, so that no grammar can "
                 "say where one ends"};
  }
  std::ranges::sort(entries, [](const Entry& a, const Entry& b) {
    if (a.head != b.head) return a.head < b.head;
    const int order = a.text.compare(b.text);
    return order != 0 ? order < 0 : a.id < b.id;
  });

  auto& nodes = trie->nodes_;
  nodes.push_back({.byte = 0, .depth = 0, .end = 0, .tokens_begin = 0});
  std::vector<std::uint32_t> path = {0};  // the nodes of the text before
  std::string_view before;
  for (const Entry& entry : entries) {
    const auto differs = std::ranges::mismatch(before, entry.text);
    const auto common = static_cast<std::size_t>(differs.in1 - before.begin());
    for (std::size_t i = common; i < before.size(); ++i) {
      nodes[path[i + 1]].end = static_cast<std::uint32_t>(nodes.size());
    }
    path.resize(common + 1);
    for (std::size_t i = common; i < entry.text.size(); ++i) {
      path.push_back(static_cast<std::uint32_t>(nodes.size()));
      nodes.push_back({.byte = static_cast<std::uint8_t>(entry.text[i]),
                       .depth = static_cast<std::uint16_t>(i + 1),
                       .end = 0,
                       .tokens_begin = static_cast<std::uint32_t>(trie->ids_.size())});
    }
    trie->ids_.push_back(entry.id);
    before = entry.text;
  }
  for (const std::uint32_t node : path) nodes[node].end = static_cast<std::uint32_t>(nodes.size());
  return std::shared_ptr<const TokenTrie>(std::move(trie));
}

std::string_view TokenTrie::bytes(TokenId id) const noexcept {
  const auto token = static_cast<std::size_t>(id);
  if (token >= vocabulary_) return {};
  const std::uint32_t begin = token == 0 ? 0 : arena_ends_[token - 1];
  return {arena_.data() + begin, arena_ends_[token] - begin};
}

std::shared_ptr<const LoopTable> TokenTrie::loop_table(const std::shared_ptr<const LoopBody>& body,
                                                       std::uint8_t state) const {
  const std::lock_guard lock(mutex_);
  for (const Kept& kept : tables_) {
    if (kept.state == state && (kept.body == body || *kept.body == *body)) return kept.table;
  }
  if (tables_.size() == kTablesMax) tables_.erase(tables_.begin());
  tables_.push_back({body, state, std::make_shared<LoopTable>(*this, *body, state)});
  return tables_.back().table;
}

}  // namespace weft::inference::grammar
