#pragma once
// What the files of a BERT-type encoder say, whether a folder of the Hugging Face kind or a GGUF
// file: hyperparameters, vocabulary, how to pool, and the tensors by their part in the model.
// Everything is checked here, before a weight is read. Private to inference.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/embedder.h"
#include "inference/wordpiece.h"

namespace weft::inference {

struct EncoderConfig {
  std::size_t layers = 0;
  std::size_t width = 0;  // d
  std::size_t ffn_width = 0;
  std::size_t heads = 0;
  std::size_t vocabulary = 0;  // rows of the token embedding
  std::size_t positions = 0;   // rows of the position embedding
  float norm_epsilon = 0;

  std::size_t head_width() const noexcept { return width / heads; }
};

/// Errors: kCorrupt for a value out of bounds, kUnsupported for widths that the kernels don't take;
/// both name it.
Result<void> check(const EncoderConfig& config);

enum class EncoderPart : std::uint8_t {
  kTokens,
  kPositions,
  kTypes,
  kEmbeddingNorm,
  kQuery,  // from here on of a layer
  kKey,
  kValue,
  kAttentionOutput,
  kAttentionNorm,
  kUp,
  kDown,
  kOutputNorm,
};

/// A tensor of the model: "weight" or "bias" of a part of a layer (0 outside the layers).
struct EncoderTensor {
  EncoderPart part;
  std::size_t layer;
  bool is_bias;
};

enum class EncoderNames : std::uint8_t { kGguf, kHuggingFace };
/// "blk.0.attn_q.weight", "encoder.layer.0.attention.self.query.weight".
std::string encoder_tensor_name(EncoderNames names, const EncoderTensor& tensor);

/// An open file with the tensors. Const members may run at once.
class EncoderTensors {
 public:
  virtual ~EncoderTensors() = default;

  /// Where `tensor` is, for messages too.
  virtual std::string name(const EncoderTensor& tensor) const = 0;
  struct Shape {
    std::uint64_t rows;
    std::uint64_t columns;
  };
  /// Nothing if there is none, or its values can't be read as floats.
  virtual std::optional<Shape> shape(const EncoderTensor& tensor) const = 0;
  /// Rows [first, first + count) of a tensor that has a shape(). Errors: kIo, kInvalidArgument.
  virtual Result<void> read_rows(const EncoderTensor& tensor, std::uint64_t first,
                                 std::uint64_t count, std::span<float> out) const = 0;
};

struct EncoderFiles {
  EncoderConfig config;
  WordPiece vocabulary;
  std::optional<Pooling> pooling;         // none if the files don't say
  std::optional<std::size_t> tokens_max;  // likewise
  std::string query_prefix;
  std::string document_prefix;
  std::unique_ptr<const EncoderTensors> tensors;
};

/// A folder, its safetensors file, or a GGUF file. Errors: see Embedder::open.
Result<EncoderFiles> open_encoder(const std::filesystem::path& path);
Result<EncoderFiles> open_encoder_folder(const std::filesystem::path& folder,
                                         const std::filesystem::path& weights);
Result<EncoderFiles> open_encoder_gguf(const std::filesystem::path& path);

}  // namespace weft::inference
