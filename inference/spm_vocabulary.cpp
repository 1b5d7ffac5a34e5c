#include "inference/spm_vocabulary.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::inference {
namespace {

Error corrupt(std::string text) { return {ErrorCode::kCorrupt, std::move(text)}; }

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

// "<0x0A>" is the byte 10: two hexadecimal digits, nothing else.
std::optional<std::uint8_t> byte_of(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text.back() != '>') return std::nullopt;
  const auto high = hex_digit(text[3]);
  const auto low = hex_digit(text[4]);
  if (!high || !low) return std::nullopt;
  return static_cast<std::uint8_t>(*high * 16 + *low);
}

void append_token(std::string& bytes, std::string_view text, TokenKind kind) {
  switch (kind) {
    case TokenKind::kByte:
      if (const auto byte = byte_of(text)) {
        bytes += static_cast<char>(*byte);
      } else {
        bytes += text;  // read_byte_tokens() refuses it
      }
      return;
    case TokenKind::kNormal:
    case TokenKind::kUserDefined:
    case TokenKind::kUnused:
      return append_with_spaces(bytes, text);
    case TokenKind::kUnknown:
    case TokenKind::kControl:
      bytes += text;
  }
}

Result<std::array<TokenId, 256>> read_byte_tokens(const std::vector<std::string_view>& texts,
                                                  const Vocabulary& vocabulary) {
  std::array<TokenId, 256> tokens;
  tokens.fill(SpmMerges::kNone);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (vocabulary.kinds[i] != TokenKind::kByte) continue;
    const auto byte = byte_of(texts[i]);
    if (!byte) {
      return corrupt("token " + std::to_string(i) + " (" + quoted(texts[i]) +
                     ") is a byte token, but doesn't read <0xNN>");
    }
    if (tokens[*byte] != SpmMerges::kNone) {
      return corrupt("token " + std::to_string(i) + " and token " + std::to_string(tokens[*byte]) +
                     " are both the byte " + std::to_string(*byte));
    }
    tokens[*byte] = static_cast<TokenId>(i);
  }
  return tokens;
}

Result<std::vector<float>> read_scores(const GgufFile& file, std::size_t tokens) {
  WEFT_TRY(scores, file.floats(tokenizer_key("scores")));
  if (scores.size() != tokens) {
    return corrupt(tokenizer_key("scores") + " has " + std::to_string(scores.size()) +
                   " entries for " + std::to_string(tokens) + " tokens");
  }
  for (std::size_t i = 0; i < tokens; ++i) {
    if (!std::isfinite(scores[i])) {
      return corrupt("token " + std::to_string(i) + " has a score that isn't a finite number");
    }
  }
  return scores;
}

// Text never becomes control and byte tokens, nor tokens with a space as it is: those are cut out
// of the text before merges are tried. Without them no two tokens read the same.
bool is_reachable(const Vocabulary& vocabulary, TokenId id, std::string_view written) {
  const TokenKind kind = vocabulary.kinds[static_cast<std::size_t>(id)];
  return vocabulary.is_text(id) && kind != TokenKind::kByte && !written.empty() &&
         written.find(' ') == std::string_view::npos;
}

Result<SpmMerges> read_merges(const GgufFile& file, const Vocabulary& vocabulary) {
  WEFT_TRY(texts, file.strings(tokenizer_key("tokens")));
  WEFT_TRY(scores, read_scores(file, texts.size()));
  WEFT_TRY(byte_tokens, read_byte_tokens(texts, vocabulary));
  const TokenTable& table = vocabulary.table;
  std::size_t short_tokens = 0;
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table.text(static_cast<TokenId>(i)).size() <= ShortTokens::kBytesMax) ++short_tokens;
  }
  SpmMerges merges(short_tokens);
  merges.byte_tokens = byte_tokens;
  merges.unknown = vocabulary.unknown.value_or(SpmMerges::kNone);
  if (merges.unknown == SpmMerges::kNone &&
      std::ranges::find(byte_tokens, SpmMerges::kNone) != byte_tokens.end()) {
    return Error{ErrorCode::kUnsupported,
                 "the vocabulary has neither a byte token for each byte nor " +
                     tokenizer_key("unknown_token_id") + ": some texts would have no tokens"};
  }
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (!is_reachable(vocabulary, id, texts[i])) continue;
    WEFT_TRY_VOID(merges.add(table.text(id), {id, scores[i]}));
  }
  merges.close();
  return merges;
}

}  // namespace

std::optional<TokenId> SpmVocabulary::find(std::string_view text) const noexcept {
  const auto id = merges.find_short(text);
  return id ? id : vocabulary.table.find(text);
}

Result<SpmVocabulary> read_spm_vocabulary(const GgufFile& file) {
  WEFT_TRY(vocabulary, read_vocabulary(file, {.append_meaning = append_token, .adds_bos = true}));
  WEFT_TRY(merges, read_merges(file, vocabulary));
  TokenTable& table = vocabulary.table;
  WEFT_TRY_VOID(table.shrink_index([&](TokenId id) { return !merges.find_short(table.text(id)); }));
  bool adds_space = true;
  if (file.has(tokenizer_key("add_space_prefix"))) {
    WEFT_TRY(stored, file.boolean(tokenizer_key("add_space_prefix")));
    adds_space = stored;
  }
  return SpmVocabulary{std::move(vocabulary), std::move(merges), adds_space};
}

}  // namespace weft::inference
