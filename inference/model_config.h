#pragma once
// Hyperparameters of a GGUF file, each within bounds, and the tensors that must go with them.
// Everything is checked here, before a weight is read. Private to inference.

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "inference/gguf.h"
#include "inference/model.h"

namespace weft::inference {

inline constexpr std::size_t kLayersMax = 1024;
inline constexpr std::size_t kWidthMax = 1 << 16;
inline constexpr std::size_t kFfnWidthMax = 1 << 20;
inline constexpr std::size_t kHeadsMax = 1024;
inline constexpr std::size_t kHeadWidthMax = 512;
inline constexpr std::size_t kHeadWidthStep = 16;  // a vector of the attention kernels
inline constexpr std::size_t kVocabularyMax = 1 << 22;
inline constexpr std::size_t kContextLengthMax = 1 << 24;

/// `vocabulary` is the tokenizer's. Errors: kUnsupported names the architecture, the scaling or
/// the width that isn't read here; kCorrupt and kNotFound name the key.
Result<ModelConfig> read_config(const GgufFile& file, std::size_t vocabulary);

/// The tensors of one layer; those from q_bias on may be null.
struct LayerTensors {
  const TensorInfo *attention_norm, *ffn_norm;
  const TensorInfo *q, *k, *v, *attention_output, *gate, *up, *down;
  const TensorInfo *q_bias, *k_bias, *v_bias;
  const TensorInfo *q_norm, *k_norm;
  const TensorInfo *attention_post_norm, *ffn_post_norm;
};

struct ModelTensors {
  const TensorInfo* embedding;
  const TensorInfo* output_norm;
  const TensorInfo* output;        // the embedding if the file has no output of its own
  const TensorInfo* rope_factors;  // may be null
  std::vector<LayerTensors> layers;
};

/// Finds every tensor that `config` calls for. Errors: kCorrupt for a missing tensor, a wrong shape
/// or type; kUnsupported for a tensor in the file that this architecture doesn't use: leaving it
/// out would compute something else than the file means. Both name it.
Result<ModelTensors> find_tensors(const GgufFile& file, const ModelConfig& config);

}  // namespace weft::inference
