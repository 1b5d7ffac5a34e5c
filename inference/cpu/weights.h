#pragma once
// A model's weights repacked for a CPU level: what the forward pass reads.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inference/backend.h"
#include "inference/cpu/level.h"
#include "inference/cpu/matrix.h"
#include "inference/cpu/thread_pool.h"
#include "inference/gguf.h"
#include "inference/model_config.h"
#include "inference/model_tensors.h"

namespace weft::inference::cpu {

struct LayerWeights {
  std::vector<float> attention_norm;          // (width)
  std::vector<float> ffn_norm;                // (width)
  std::vector<float> q_bias, k_bias, v_bias;  // (rows of the matrix), or empty
  std::vector<float> q_norm, k_norm;          // (head width), or empty
  std::vector<float> attention_post_norm;     // (width), or empty
  std::vector<float> ffn_post_norm;           // likewise
  std::optional<Matrix> q, k, v;              // (heads * head width or kv heads * .., width)
  std::optional<Matrix> attention_output;     // (width, heads * head width)
  std::optional<Matrix> gate, up;             // (ffn width, width)
  std::optional<Matrix> down;                 // (width, ffn width)
};

struct ModelWeights {
  ModelConfig config;
  Level level = Level::kScalar;
  std::string fingerprint;                // of `file`
  const GgufFile* file = nullptr;         // rows of the embedding are read when a token needs them
  const TensorInfo* embedding = nullptr;  // (vocabulary, width), of `file`
  std::vector<LayerWeights> layers;
  std::vector<float> output_norm;  // (width)
  std::optional<Matrix> output;    // (vocabulary, width)
  /// The angle between neighbouring positions of each rotated pair: (ropes, rope width / 2).
  std::vector<std::vector<double>> rope_frequencies;
  std::size_t size_bytes = 0;
};

/// Reads and repacks on several threads, a tensor each, or maps what write_packed() left: see
/// packed_file.h. See Backend::load.
Result<ModelWeights> load_weights(const GgufFile& file, const ModelConfig& config,
                                  const ModelTensors& tensors, Level level,
                                  const LoadOptions& options);

/// All of them, in the order of packed files.
std::vector<const Matrix*> packed_matrices(const ModelWeights& weights);

}  // namespace weft::inference::cpu
