#pragma once
// The weights of an encoder in memory, repacked for the CPU. Private to inference.

#include <optional>
#include <vector>

#include "base/result.h"
#include "inference/cpu/encoder_kernels.h"
#include "inference/cpu/matrix.h"
#include "inference/encoder_files.h"

namespace weft::inference {

struct EncoderNorm {
  std::vector<float> weight, bias;  // (width)
};

struct EncoderLayer {
  std::optional<cpu::Matrix> query, key, value, attention_output;  // (width, width)
  std::optional<cpu::Matrix> up;                                   // (ffn width, width)
  std::optional<cpu::Matrix> down;                                 // (width, ffn width)
  std::vector<float> query_bias, key_bias, value_bias, attention_output_bias, up_bias, down_bias;
  EncoderNorm attention_norm, output_norm;
  /// What the inputs of query, key and value, and those of up, are multiplied with before they are
  /// quantised (width); empty with kFloat32. The matrices' columns are divided by it.
  std::vector<float> attention_scale, up_scale;
};

/// Token embeddings aren't here: their rows are read from the file when a token needs them.
struct EncoderWeights {
  EncoderConfig config;
  cpu::Level level = cpu::Level::kScalar;
  cpu::ActivationKind activations = cpu::ActivationKind::kFloat;
  std::vector<float> positions;  // (positions, width)
  std::vector<float> type;       // (width): of text A, which all text here is
  EncoderNorm embedding_norm;
  std::vector<EncoderLayer> layers;
  std::size_t matrix_bytes = 0;

  cpu::LayerNorm norm(const EncoderNorm& of) const noexcept {
    return {of.weight.data(), of.bias.data(), config.norm_epsilon};
  }
};

/// Every tensor is checked for its shape, vectors also for finite values. With kInt8 matrices
/// become Q8_0 whatever they are in the file. Errors: kCorrupt for a missing or misshapen tensor,
/// named; kUnsupported for a width that int8 can't take; kIo.
Result<EncoderWeights> load_encoder(const EncoderFiles& files, EmbedderPrecision precision,
                                    cpu::Level level);

}  // namespace weft::inference
