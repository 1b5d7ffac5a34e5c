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
  std::string architecture = "llama";  // or "qwen2": biases on q, k and v, the other RoPE order
  std::string splitter = "smollm";     // or "qwen2"
  std::uint32_t layers = 2;
  std::uint32_t width = 64;  // 256 where every matrix shall be of a K-quant
  std::uint32_t heads = 4;
  std::uint32_t kv_heads = 2;
  std::uint32_t ffn_width = 128;  // likewise
  std::uint32_t context_length = 512;
  float rope_base = 10000;
  /// Of the matrices; norms and biases are F32.
  inference::TensorType type = inference::TensorType::kF32;
  /// Other types, by a tensor's name ("blk.0.ffn_down") or its last part ("ffn_down", "output",
  /// "token_embd"); the name goes first.
  std::map<std::string, inference::TensorType> types;
  bool separate_output = false;  // else the head is the embedding
  std::string chat_template;     // no key if empty
  std::uint64_t seed = 1;
};

/// The writer, to break or extend it before build().
GgufWriter tiny_model(const TinyModelOptions& options);

/// Builds and writes; returns `path`.
std::filesystem::path write_tiny_model(const std::filesystem::path& path,
                                       const TinyModelOptions& options);

}  // namespace weft::fakes
