#pragma once
// What the forward pass reads of a loaded model. Private to inference.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inference/chat_template.h"
#include "inference/cpu/level.h"
#include "inference/cpu/matrix.h"
#include "inference/gguf.h"
#include "inference/model.h"
#include "inference/tokenizer.h"

namespace weft::inference {

struct LayerWeights {
  std::vector<float> attention_norm;            // (width)
  std::vector<float> ffn_norm;                  // (width)
  std::vector<float> q_bias, k_bias, v_bias;    // (rows of the matrix), or empty
  std::vector<float> q_norm, k_norm;            // (head width), or empty
  std::vector<float> attention_post_norm;       // (width), or empty
  std::vector<float> ffn_post_norm;             // likewise
  std::optional<cpu::Matrix> q, k, v;           // (heads * head width or kv heads * .., width)
  std::optional<cpu::Matrix> attention_output;  // (width, heads * head width)
  std::optional<cpu::Matrix> gate, up;          // (ffn width, width)
  std::optional<cpu::Matrix> down;              // (width, ffn width)
};

struct Model::State {
  State(GgufFile gguf, ChatTemplate chat) : file(std::move(gguf)), chat_template(std::move(chat)) {}

  ModelConfig config;
  GgufFile file;  // stays open: rows of the embedding are read when a token needs them
  std::optional<Tokenizer> tokenizer;  // there once the model is loaded
  ChatTemplate chat_template;
  std::string template_warning;
  cpu::Level level = cpu::Level::kScalar;

  const TensorInfo* embedding = nullptr;  // (vocabulary, width), of `file`
  std::vector<LayerWeights> layers;
  std::vector<float> output_norm;     // (width)
  std::optional<cpu::Matrix> output;  // (vocabulary, width)
  /// The angle between neighbouring positions of each rotated pair: (ropes, rope width / 2).
  std::vector<std::vector<double>> rope_frequencies;
  std::size_t weight_bytes = 0;
};

}  // namespace weft::inference
