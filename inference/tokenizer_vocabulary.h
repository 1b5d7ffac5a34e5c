#pragma once
// What all tokenizers of GGUF files have in common, checked: texts, kinds and ids of the
// tokenizer.ggml.* metadata. Every id lies in the vocabulary and no text occurs twice. Tokens known
// to end answers count as control tokens whatever the file says. Private to inference.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/gguf.h"
#include "inference/token_table.h"
#include "inference/tokenizer.h"

namespace weft::inference {

struct Vocabulary {
  TokenTable table;  // texts as the bytes that they stand for; byte tokens aren't indexed
  std::vector<TokenKind> kinds;
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  std::optional<TokenId> unknown;
  bool adds_bos = false;
  std::vector<TokenId> ends;  // of generation; sorted

  /// Whether plain text may become this token.
  bool is_text(TokenId id) const noexcept {
    const TokenKind kind = kinds[static_cast<std::size_t>(id)];
    return kind != TokenKind::kControl && kind != TokenKind::kUnknown;
  }
};

/// How one kind of tokenizer reads what they share.
struct VocabularyRules {
  /// Appends the bytes that a token's text stands for.
  void (*append_meaning)(std::string& bytes, std::string_view text, TokenKind kind) = nullptr;
  bool adds_bos = false;  // where the file doesn't say
};

/// Errors: kNotFound for missing keys, kCorrupt for what breaks the rules above.
Result<Vocabulary> read_vocabulary(const GgufFile& file, const VocabularyRules& rules);

/// The full name of a key: "tokenizer.ggml." and `name`.
std::string tokenizer_key(std::string_view name);
/// `text` for messages: repaired, shortened, in quotes.
std::string quoted(std::string_view text);

}  // namespace weft::inference
