#pragma once
// The tokenizer.ggml.* metadata of a GGUF file with a byte-level BPE vocabulary, checked: every id
// lies in the vocabulary, every merge joins known tokens into one, no text occurs twice. Tokens known
// to end answers count as control tokens whatever the file says, and no merge gives a control token.

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "inference/bpe_merges.h"
#include "inference/bpe_splitter.h"
#include "inference/gguf.h"
#include "inference/token_table.h"
#include "inference/tokenizer.h"

namespace weft::inference {

struct BpeVocabulary {
  TokenTable table;  // texts as bytes: the files' stand-in letters for bytes are undone
  std::vector<TokenKind> kinds;
  BpeMerges merges;
  BpeSplitter splitter;
  std::string splitter_name;
  std::optional<TokenId> bos;
  std::optional<TokenId> eos;
  bool adds_bos = false;
  std::vector<TokenId> ends;  // of generation; sorted
};

/// Errors: kUnsupported for another tokenizer model, an unknown splitter or byte tokens (naming
/// them), kNotFound for missing keys, kCorrupt for what breaks the rules above.
Result<BpeVocabulary> read_bpe_vocabulary(const GgufFile& file);

/// Undoes GPT-2's writing of bytes as printable characters: those of ASCII and Latin-1 stand for
/// themselves, U+0100 and on for the other 68 bytes in order. Nothing if `text` has any other.
std::optional<std::string> bytes_of_gpt2_text(std::string_view text);

}  // namespace weft::inference
