#pragma once
// A SentencePiece vocabulary small enough to work out by hand. Tests change it before they read it.

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "inference/gguf.h"
#include "inference/tokenizer.h"
#include "tests/fakes/gguf_writer.h"

namespace weft::inference {

struct TinySpmVocabulary {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;
  std::vector<float> scores;
  std::optional<bool> adds_space;
  std::optional<bool> adds_bos;
  std::optional<std::uint32_t> unknown = 0;

  static constexpr TokenId kFirstByte = 4;
  static constexpr TokenId kFirstText = kFirstByte + 256;

  TinySpmVocabulary() {
    add("<unk>", 2, -1000);    // 0
    add("<s>", 3, -1000);      // 1
    add("</s>", 3, -1000);     // 2
    add("<table>", 4, -1000);  // 3
    for (int byte = 0; byte < 256; ++byte) {
      char text[8];
      std::snprintf(text, sizeof text, "<0x%02X>", byte);
      add(text, 6, 0);
    }
    add("\u2581t", 1, 0);        // 260
    add("he", 1, -1);            // 261
    add("\u2581the", 1, -2);     // 262
    add("th", 1, -3);            // 263
    add("the", 1, -4);           // 264
    add("\u2581", 1, -5);        // 265
    add("t", 1, -6);             // 266
    add("h", 1, -7);             // 267
    add("e", 1, -8);             // 268
    add("\u00E9\u6771", 1, -9);  // 269, of two characters that are no tokens
    add("  ", 4, -1000);         // 270: two spaces, cut out of the text before merges
    add("eee", 1, -10);          // 271: no merge reaches it, for "ee" is none
  }
  void add(std::string text, std::int32_t type, float score) {
    tokens.push_back(std::move(text));
    types.push_back(type);
    scores.push_back(score);
  }

  Result<Tokenizer> read() const {
    fakes::GgufWriter file;
    file.string("tokenizer.ggml.model", "llama");
    file.strings("tokenizer.ggml.tokens", tokens);
    file.i32s("tokenizer.ggml.token_type", types);
    file.f32s("tokenizer.ggml.scores", scores);
    file.u32("tokenizer.ggml.bos_token_id", 1);
    file.u32("tokenizer.ggml.eos_token_id", 2);
    if (unknown) file.u32("tokenizer.ggml.unknown_token_id", *unknown);
    if (adds_space) file.boolean("tokenizer.ggml.add_space_prefix", *adds_space);
    if (adds_bos) file.boolean("tokenizer.ggml.add_bos_token", *adds_bos);
    const auto path = std::filesystem::temp_directory_path() /
                      ("weft_tiny_spm_" + std::to_string(::getpid()) + ".gguf");
    fakes::write_file(path, file.build().bytes);
    auto opened = GgufFile::open(path);
    std::filesystem::remove(path);
    if (!opened) return std::move(opened).error();
    return Tokenizer::from_gguf(*opened);
  }
};

}  // namespace weft::inference
