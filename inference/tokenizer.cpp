#include "inference/tokenizer.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <variant>

#include "inference/bpe_vocabulary.h"
#include "inference/special_tokens.h"
#include "inference/spm_vocabulary.h"
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

std::vector<TokenId> encode_fragments(const BpeVocabulary& bpe, std::string_view text,
                                      std::span<const Fragment> fragments) {
  const bool whole = bpe.splitter == BpeSplitter::kLlama3;
  BpePieceEncoder encoder(bpe.merges, text.size(), whole ? &bpe.vocabulary : nullptr);
  for (const Fragment& fragment : fragments) {
    if (fragment.token != Fragment::kText) {
      encoder.append(fragment.token);
      continue;
    }
    std::string_view rest = text.substr(fragment.begin, fragment.end - fragment.begin);
    while (!rest.empty()) {
      const std::size_t size = first_piece(bpe.splitter, rest);
      encoder.append(rest.substr(0, size));
      rest.remove_prefix(size);
    }
  }
  return std::move(encoder).take();
}

std::vector<TokenId> encode_fragments(const SpmVocabulary& spm, std::string_view text,
                                      std::span<const Fragment> fragments) {
  SpmEncoder encoder(spm.vocabulary.table, spm.merges, text.size());
  bool starts = true;  // nothing or a special token stands before
  for (const Fragment& fragment : fragments) {
    if (fragment.token == Fragment::kText) {
      encoder.append(text.substr(fragment.begin, fragment.end - fragment.begin),
                     {.space_before = spm.adds_space && starts});
    } else {
      encoder.append(fragment.token);
    }
    starts = fragment.token != Fragment::kText;
  }
  return std::move(encoder).take();
}

Result<std::variant<BpeVocabulary, SpmVocabulary>> read_kind(const GgufFile& file) {
  using Kind = std::variant<BpeVocabulary, SpmVocabulary>;
  WEFT_TRY(model, file.string(tokenizer_key("model")));
  if (model == "gpt2") {
    WEFT_TRY(bpe, read_bpe_vocabulary(file));
    return Kind(std::move(bpe));
  }
  if (model == "llama") {
    WEFT_TRY(spm, read_spm_vocabulary(file));
    return Kind(std::move(spm));
  }
  return Error{ErrorCode::kUnsupported,
               "tokenizer model " + quoted(model) + " in " + file.path().string() +
                   ": this build reads \"gpt2\" (byte-level BPE) and \"llama\" (SentencePiece)"};
}

}  // namespace

struct Tokenizer::State {
  std::variant<BpeVocabulary, SpmVocabulary> kind;
  SpecialTokens special;

  const Vocabulary& vocabulary() const noexcept {
    const auto* bpe = std::get_if<BpeVocabulary>(&kind);
    return bpe != nullptr ? bpe->vocabulary : std::get_if<SpmVocabulary>(&kind)->vocabulary;
  }
  bool has(TokenId id) const noexcept {
    return id >= 0 && static_cast<std::size_t>(id) < vocabulary().kinds.size();
  }
  std::vector<TokenId> encode(std::string_view text, std::span<const ByteRange> trusted) const {
    const std::vector<Fragment> fragments = special.split(text, trusted);
    return std::visit([&](const auto& of) { return encode_fragments(of, text, fragments); }, kind);
  }
};

Result<Tokenizer> Tokenizer::from_gguf(const GgufFile& file) {
  WEFT_TRY(kind, read_kind(file));
  auto state = std::make_unique<State>(State{std::move(kind), SpecialTokens()});
  const Vocabulary& vocabulary = state->vocabulary();
  std::vector<SpecialToken> tokens;
  for (std::size_t i = 0; i < vocabulary.kinds.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const std::string_view text = vocabulary.table.text(id);
    if (!is_special(vocabulary.kinds[i]) || text.empty()) continue;
    tokens.push_back(
        {.text = text, .id = id, .needs_trust = vocabulary.kinds[i] != TokenKind::kUserDefined});
  }
  WEFT_TRY(special, SpecialTokens::build(tokens));
  state->special = std::move(special);
  return Tokenizer(std::move(state));
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
  const bool hidden =
      shown != TokenKind::kNormal && shown != TokenKind::kUserDefined && shown != TokenKind::kByte;
  return hidden && !show_special ? std::string_view() : state_->vocabulary().table.text(id);
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool show_special) const {
  std::string text;
  for (const TokenId id : ids) text += piece(id, show_special);
  return text;
}

std::size_t Tokenizer::size() const noexcept { return state_->vocabulary().kinds.size(); }

TokenKind Tokenizer::kind(TokenId id) const noexcept {
  return state_->has(id) ? state_->vocabulary().kinds[static_cast<std::size_t>(id)]
                         : TokenKind::kUnused;
}

std::optional<TokenId> Tokenizer::find(std::string_view text) const noexcept {
  const auto* spm = std::get_if<SpmVocabulary>(&state_->kind);
  return spm != nullptr ? spm->find(text) : state_->vocabulary().table.find(text);
}

std::optional<TokenId> Tokenizer::bos() const noexcept { return state_->vocabulary().bos; }
std::optional<TokenId> Tokenizer::eos() const noexcept { return state_->vocabulary().eos; }
bool Tokenizer::adds_bos() const noexcept { return state_->vocabulary().adds_bos; }

bool Tokenizer::is_end_of_generation(TokenId id) const noexcept {
  return std::ranges::binary_search(state_->vocabulary().ends, id);
}

std::string_view Tokenizer::splitter() const noexcept {
  const auto* bpe = std::get_if<BpeVocabulary>(&state_->kind);
  return bpe != nullptr ? std::string_view(bpe->splitter_name) : "sentencepiece";
}

}  // namespace weft::inference
