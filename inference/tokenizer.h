#pragma once
// Text to token ids and back, as the model's GGUF file defines it: byte-level BPE (the metadata's
// model "gpt2") with the splitters of bpe_splitter.h, or SentencePiece's BPE (model "llama"). Ids
// equal llama.cpp's for every text that is UTF-8, except that text never becomes a control token.
// SentencePiece reads U+2581 as a space, and many of its vocabularies put a space before a text
// (tokenizer.ggml.add_space_prefix): decode() gives those back as spaces.
// Source: Sennrich et al. 2016 (BPE), Radford et al. 2019 (byte level), Kudo and Richardson 2018.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/text_span.h"
#include "inference/token.h"

namespace weft::inference {

class GgufFile;

enum class TokenKind : std::uint8_t {  // GGUF's tokenizer.ggml.token_type
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

/// Immutable after from_gguf(); const members may run at once.
class Tokenizer {
 public:
  /// Errors: kUnsupported names the tokenizer model or splitter that isn't read here; kCorrupt for
  /// ids, merges or types that don't fit the vocabulary.
  static Result<Tokenizer> from_gguf(const GgufFile& file);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// `parse_special`: control-token strings in `text` become control tokens. Never adds BOS.
  std::vector<TokenId> encode(std::string_view text, bool parse_special) const;
  /// Encodes the spans as one text, so that ids don't depend on where a span ends, except that
  /// control tokens are only recognised where all their bytes are trusted.
  std::vector<TokenId> encode(std::span<const TextSpan> spans) const;

  /// The bytes of one token. Control tokens give their text if `show_special`, else nothing.
  /// Empty for ids outside the vocabulary.
  std::string_view piece(TokenId id, bool show_special = false) const noexcept;
  std::string decode(std::span<const TokenId> ids, bool show_special = false) const;

  std::size_t size() const noexcept;
  TokenKind kind(TokenId id) const noexcept;
  std::optional<TokenId> find(std::string_view text) const noexcept;  // exact vocabulary text
  std::optional<TokenId> bos() const noexcept;
  std::optional<TokenId> eos() const noexcept;
  bool adds_bos() const noexcept;  // tokenizer.ggml.add_bos_token, or the family's habit
  /// Ends an answer: eos, eot, eom and the known texts such as <|im_end|>.
  bool is_end_of_generation(TokenId id) const noexcept;
  std::string_view splitter() const noexcept;  // tokenizer.ggml.pre, or "sentencepiece"

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace weft::inference
