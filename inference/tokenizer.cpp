#include "inference/tokenizer.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "inference/bpe_merges.h"
#include "inference/bpe_splitter.h"
#include "inference/special_tokens.h"
#include "inference/token_table.h"
#include "inference/tokenizer_vocabulary.h"

namespace weft::inference {
namespace {

bool is_special(TokenKind kind) noexcept {
  return kind == TokenKind::kControl || kind == TokenKind::kUnknown ||
         kind == TokenKind::kUserDefined;
}

// The trusted stretches of the spans' concatenation, touching ones joined: a control token may lie
// across the border of two trusted spans.
std::vector<ByteRange> trusted_ranges(std::span<const TextSpan> spans) {
  std::vector<ByteRange> ranges;
  std::size_t at = 0;
  for (const TextSpan& span : spans) {
    const std::size_t begin = std::exchange(at, at + span.text.size());
    if (!span.trusted || begin == at) continue;
    if (!ranges.empty() && ranges.back().end == begin) {
      ranges.back().end = at;
    } else {
      ranges.push_back({begin, at});
    }
  }
  return ranges;
}

}  // namespace

struct Tokenizer::State {
  BpeVocabulary vocabulary;
  SpecialTokens special;

  bool has(TokenId id) const noexcept {
    return id >= 0 && static_cast<std::size_t>(id) < vocabulary.kinds.size();
  }
  std::vector<TokenId> encode(std::string_view text, std::span<const ByteRange> trusted) const;
};

std::vector<TokenId> Tokenizer::State::encode(std::string_view text,
                                              std::span<const ByteRange> trusted) const {
  BpePieceEncoder encoder(vocabulary.merges, text.size());
  for (const Fragment& fragment : special.split(text, trusted)) {
    if (fragment.token != Fragment::kText) {
      encoder.append(fragment.token);
      continue;
    }
    std::string_view rest = text.substr(fragment.begin, fragment.end - fragment.begin);
    while (!rest.empty()) {
      const std::size_t size = first_piece(vocabulary.splitter, rest);
      encoder.append(rest.substr(0, size));
      rest.remove_prefix(size);
    }
  }
  return std::move(encoder).take();
}

Result<Tokenizer> Tokenizer::from_gguf(const GgufFile& file) {
  WEFT_TRY(vocabulary, read_bpe_vocabulary(file));
  std::vector<SpecialToken> tokens;
  for (std::size_t i = 0; i < vocabulary.kinds.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const std::string_view text = vocabulary.table.text(id);
    if (!is_special(vocabulary.kinds[i]) || text.empty()) continue;
    tokens.push_back(
        {.text = text, .id = id, .needs_trust = vocabulary.kinds[i] != TokenKind::kUserDefined});
  }
  WEFT_TRY(special, SpecialTokens::build(tokens));
  return Tokenizer(std::make_unique<const State>(State{std::move(vocabulary), std::move(special)}));
}

Tokenizer::Tokenizer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::vector<TokenId> Tokenizer::encode(std::string_view text, bool parse_special) const {
  const ByteRange all{0, text.size()};
  return state_->encode(text, std::span(&all, parse_special ? 1 : 0));
}

std::vector<TokenId> Tokenizer::encode(std::span<const TextSpan> spans) const {
  std::string text;
  for (const TextSpan& span : spans) text += span.text;
  return state_->encode(text, trusted_ranges(spans));
}

std::string_view Tokenizer::piece(TokenId id, bool show_special) const noexcept {
  if (!state_->has(id)) return {};
  const TokenKind shown = kind(id);
  const bool hidden = shown != TokenKind::kNormal && shown != TokenKind::kUserDefined;
  return hidden && !show_special ? std::string_view() : state_->vocabulary.table.text(id);
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool show_special) const {
  std::string text;
  for (const TokenId id : ids) text += piece(id, show_special);
  return text;
}

std::size_t Tokenizer::size() const noexcept { return state_->vocabulary.kinds.size(); }

TokenKind Tokenizer::kind(TokenId id) const noexcept {
  return state_->has(id) ? state_->vocabulary.kinds[static_cast<std::size_t>(id)]
                         : TokenKind::kUnused;
}

std::optional<TokenId> Tokenizer::find(std::string_view text) const noexcept {
  return state_->vocabulary.table.find(text);
}

std::optional<TokenId> Tokenizer::bos() const noexcept { return state_->vocabulary.bos; }
std::optional<TokenId> Tokenizer::eos() const noexcept { return state_->vocabulary.eos; }
bool Tokenizer::adds_bos() const noexcept { return state_->vocabulary.adds_bos; }

bool Tokenizer::is_end_of_generation(TokenId id) const noexcept {
  return std::ranges::binary_search(state_->vocabulary.ends, id);
}

std::string_view Tokenizer::splitter() const noexcept { return state_->vocabulary.splitter_name; }

}  // namespace weft::inference
