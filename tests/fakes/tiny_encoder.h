#pragma once
// Tiny BERT-type encoders with random weights, as a folder or a GGUF file, and their forward pass
// in double precision with plain loops: the oracle of the embedder. Source of the pass: Devlin et
// al. 2019; Hendrycks and Gimpel 2016 (GELU).

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "inference/tensor_type.h"
#include "inference/token.h"
#include "tests/fakes/gguf_writer.h"

namespace weft::fakes {

struct TinyEncoderOptions {
  std::size_t layers = 2;
  std::size_t width = 64;
  std::size_t heads = 2;
  std::size_t ffn_width = 128;
  std::size_t positions = 48;
  std::uint64_t seed = 1;
};

struct TinyEncoder {
  TinyEncoderOptions options;
  std::vector<std::string> vocabulary;  // lines of vocab.txt; [UNK] 1, [CLS] 2, [SEP] 3
  struct Tensor {
    std::vector<std::uint64_t> shape;
    std::vector<float> values;
  };
  std::map<std::string, Tensor> tensors;  // by their names in a safetensors file
};

TinyEncoder tiny_encoder(const TinyEncoderOptions& options);

/// config.json, model.safetensors, vocab.txt, modules.json, 1_Pooling/config.json (mean) and
/// sentence_bert_config.json (32 tokens). Tests overwrite or delete what they want otherwise.
void write_encoder_folder(const std::filesystem::path& folder, const TinyEncoder& encoder);

/// Matrices of `type`. The writer, to break or extend it before build(); CLS pooling.
GgufWriter encoder_gguf(const TinyEncoder& encoder, inference::TensorType type);

/// The last layer's rows, (ids, width).
std::vector<std::vector<double>> reference_hidden(const TinyEncoder& encoder,
                                                  std::span<const inference::TokenId> ids);

}  // namespace weft::fakes
