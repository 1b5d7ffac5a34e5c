#pragma once
// A byte-level vocabulary small enough to work out by hand: the 256 bytes are the ids 0..255, then
// a few merges and special tokens. Tests change it before they read it.

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/utf8.h"
#include "inference/gguf.h"
#include "inference/tokenizer.h"
#include "tests/fakes/gguf_writer.h"

namespace weft::inference {

/// `byte` as GPT-2's vocabularies write it.
inline std::string gpt2_letter(unsigned byte) {
  char32_t extra = 0x100;
  for (unsigned b = 0; b <= byte; ++b) {
    const bool itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
    const char32_t letter = itself ? b : extra++;
    if (b == byte) {
      std::string text;
      append_utf8(text, letter);
      return text;
    }
  }
  return {};
}

struct TinyVocabulary {
  std::string model = "gpt2";
  std::string splitter = "qwen2";
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;
  std::vector<std::string> merges;
  std::uint32_t eos = 262;
  std::int64_t bos = -1;

  TinyVocabulary() {
    for (unsigned byte = 0; byte < 256; ++byte) add(gpt2_letter(byte), 1);
    add("ab", 1);               // 256
    add("bc", 1);               // 257
    add("abc", 1);              // 258
    add("aa", 1);               // 259
    add("aaaa", 1);             // 260
    add("\u0120a", 1);          // 261: " a"
    add("<|im_end|>", 3);       // 262
    add("<|im_end|><|x|>", 3);  // 263
    add("<think>", 4);          // 264
    add("<unk>", 2);            // 265
    add("[PAD]", 5);            // 266
    merges = {"b c", "a b", "ab c", "a a", "aa aa", "\u0120 a"};
  }
  void add(std::string text, std::int32_t type) {
    tokens.push_back(std::move(text));
    types.push_back(type);
  }

  Result<Tokenizer> read() const {
    fakes::GgufWriter file;
    file.string("tokenizer.ggml.model", model);
    file.string("tokenizer.ggml.pre", splitter);
    file.strings("tokenizer.ggml.tokens", tokens);
    file.i32s("tokenizer.ggml.token_type", types);
    file.strings("tokenizer.ggml.merges", merges);
    file.u32("tokenizer.ggml.eos_token_id", eos);
    if (bos >= 0) file.u32("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(bos));
    const auto path = std::filesystem::temp_directory_path() /
                      ("weft_tiny_vocabulary_" + std::to_string(::getpid()) + ".gguf");
    fakes::write_file(path, file.build().bytes);
    auto opened = GgufFile::open(path);
    std::filesystem::remove(path);
    if (!opened) return std::move(opened).error();
    return Tokenizer::from_gguf(*opened);
  }
};

}  // namespace weft::inference
