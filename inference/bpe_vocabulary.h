#pragma once
// The part of a GGUF file's tokenizer.ggml.* metadata that belongs to byte-level BPE, checked:
// every merge joins known tokens into one, and none gives a control token. Private to inference.

#include <optional>
#include <string>

#include "base/result.h"
#include "inference/bpe_merges.h"
#include "inference/bpe_splitter.h"
#include "inference/gguf.h"
#include "inference/tokenizer_vocabulary.h"

namespace weft::inference {

struct BpeVocabulary {
  Vocabulary vocabulary;  // the files' stand-in letters for bytes are undone
  BpeMerges merges;
  BpeSplitter splitter;
  std::string splitter_name;
};

/// Errors: kUnsupported for an unknown splitter or byte tokens (naming them), those of
/// read_vocabulary(), kCorrupt for what breaks the rules above.
Result<BpeVocabulary> read_bpe_vocabulary(const GgufFile& file);

/// Undoes GPT-2's writing of bytes as printable characters: those of ASCII and Latin-1 stand for
/// themselves, U+0100 and on for the other 68 bytes in order. Nothing if `text` has any other.
std::optional<std::string> bytes_of_gpt2_text(std::string_view text);

}  // namespace weft::inference
