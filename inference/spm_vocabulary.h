#pragma once
// A GGUF file's tokenizer.ggml.* metadata for the tokenizer model "llama", which is SentencePiece's
// BPE (Llama 1 and 2, Gemma), checked: finite scores, byte tokens that are bytes. Private to
// inference.

#include <optional>
#include <string_view>

#include "base/result.h"
#include "inference/gguf.h"
#include "inference/spm_merges.h"
#include "inference/tokenizer_vocabulary.h"

namespace weft::inference {

struct SpmVocabulary {
  Vocabulary vocabulary;  // U+2581 in the texts is undone: it stands for a space; what `merges`
                          // find by themselves isn't indexed
  SpmMerges merges;
  bool adds_space;  // before text that begins the whole or follows a special token

  std::optional<TokenId> find(std::string_view text) const noexcept;
};

/// Errors: those of read_vocabulary(); kCorrupt for scores that aren't numbers or don't fit the
/// tokens, byte tokens that aren't "<0xNN>" or occur twice; kUnsupported for a vocabulary that
/// can't write every text: neither all byte tokens nor an unknown token.
Result<SpmVocabulary> read_spm_vocabulary(const GgufFile& file);

}  // namespace weft::inference
