#pragma once
// Tiny GGUF chat models with random weights: the same file for the same options on every machine.
// The vocabulary is ids 0..255 for the bytes, then merged tokens, then <|endoftext|>,
// <|im_start|> and <|im_end|> (the end of an answer).

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "inference/tensor_type.h"
#include "tests/fakes/gguf_writer.h"

namespace weft::fakes {

struct TinyModelOptions {
  /// Or "qwen2": biases on q, k and v, the other RoPE order; "qwen3": norms of q and k in place of
  /// the biases; "gemma3": those, norms after attention and FFN, and windows.
  std::string architecture = "llama";
  std::string splitter = "smollm";  // or "qwen2"
  std::uint32_t layers = 2;
  std::uint32_t width = 64;  // 256 where every matrix shall be of a K-quant
  std::uint32_t heads = 4;
  std::uint32_t kv_heads = 2;
  std::uint32_t head_width = 0;   // 0: width / heads, and no key for it
  std::uint32_t ffn_width = 128;  // likewise
  std::uint32_t context_length = 512;
  float rope_base = 10000;
  std::uint32_t window = 24;         // of gemma3; 0: no windows, and no keys for them
  std::uint32_t window_pattern = 2;  // likewise: every such layer sees everything; 0: no key
  /// Of the matrices; norms and biases are F32.
  inference::TensorType type = inference::TensorType::kF32;
  /// Other types, by a tensor's name ("blk.0.ffn_down") or its last part ("ffn_down", "output",
  /// "token_embd"); the name goes first.
  std::map<std::string, inference::TensorType> types;
  bool separate_output = false;  // else the head is the embedding
  std::string chat_template;     // no key if empty
  bool think_marks = false;      // adds <think> and </think> to the vocabulary
  std::uint64_t seed = 1;
};

/// The writer, to break or extend it before build().
GgufWriter tiny_model(const TinyModelOptions& options);

/// Builds and writes; returns `path`.
std::filesystem::path write_tiny_model(const std::filesystem::path& path,
                                       const TinyModelOptions& options);

}  // namespace weft::fakes
