#pragma once
// The tensors of a GGUF file that go with a model's hyperparameters, their shapes and types checked
// before a weight is read. What a backend loads. Private to inference.

#include <vector>

#include "base/result.h"
#include "inference/gguf.h"
#include "inference/model_config.h"

namespace weft::inference {

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
