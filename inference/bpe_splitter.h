#pragma once
// Cuts text into the pieces within which byte-pair merges may happen, by hand-written scanners in
// place of the models' regular expressions: no recursion, one pass, any bytes.
// Broken UTF-8 counts as a symbol that is neither letter, number nor space, and keeps its bytes.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace weft::inference {

enum class BpeSplitter {
  kGpt2,    // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kSmollm,  // every \p{N} alone, then GPT-2's expression within what lies between
  kLlama3,  // GPT-4's expression: \p{N}{1,3}, symbols with the newlines after them, ...
  kQwen2,   // likewise with single \p{N}
};

/// The splitter that tokenizer.ggml.pre names, if it is one of ours.
std::optional<BpeSplitter> bpe_splitter(std::string_view name) noexcept;
/// Those names, for messages: "gpt-2, smollm, ...".
std::string bpe_splitter_names();

/// The length of the first piece of `text`: at least 1 unless `text` is empty. A piece depends only
/// on `text` from its own start on, so that calling this on the rest splits the whole.
std::size_t first_piece(BpeSplitter splitter, std::string_view text) noexcept;

}  // namespace weft::inference
