#pragma once
// Sentence embeddings: texts to unit vectors whose dot product says how close they are in meaning,
// by a BERT-type encoder with WordPiece, mean or CLS pooling and L2 norm.
// Source: Devlin et al. 2019 (BERT); Reimers and Gurevych 2019 (Sentence-BERT), section 3.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/cpu/level.h"
#include "inference/cpu/thread_pool.h"

namespace weft::inference {

enum class Pooling : std::uint8_t { kMean, kCls };
std::string_view to_string(Pooling pooling) noexcept;  // "mean", "cls"

/// What the matrix products are computed in. kInt8: weights in blocks of 32 with a scale,
/// activations likewise: a third of the time and a quarter of the memory, cosines to kFloat32 above
/// 0.999. kFloat32: as exact as single precision is.
enum class EmbedderPrecision : std::uint8_t { kInt8, kFloat32 };
std::string_view to_string(EmbedderPrecision precision) noexcept;  // "int8", "f32"
/// Errors: kInvalidArgument for another name.
Result<EmbedderPrecision> embedder_precision(std::string_view name);

struct EmbedderOptions {
  EmbedderPrecision precision = EmbedderPrecision::kInt8;
  cpu::Level level = cpu::best_level();
  std::size_t tokens_max = 0;  // of a text, [CLS] and [SEP] included; 0 = the model's own limit
  /// What stands before each text; none = what the model's files say (nothing, for most).
  std::optional<std::string> query_prefix;
  std::optional<std::string> document_prefix;
};

enum class EmbedRole : std::uint8_t { kDocument, kQuery };

struct EmbedOptions {
  EmbedRole role = EmbedRole::kDocument;
  std::stop_token stop;  // checked every few hundred tokens
};

struct Embeddings {
  std::size_t width = 0;                // d
  std::vector<float> values;            // (n, d) row-major, each row of length 1
  std::vector<std::size_t> tokens;      // (n): that went into each row, [CLS] and [SEP] included
  std::vector<std::size_t> tokens_cut;  // (n): beyond the limit, left out

  std::size_t size() const noexcept { return tokens.size(); }
  std::span<const float> row(std::size_t i) const {
    return std::span(values).subspan(i * width, width);
  }
};

/// Immutable; const members may run at once (calls that share a pool take turns). A text's row has
/// the same bits whatever other texts are in the call, for any number of threads and any CPU level.
class Embedder {
 public:
  /// `path` is a folder as sentence encoders are published (config.json, model.safetensors,
  /// vocab.txt or tokenizer.json; modules.json, 1_Pooling/config.json, sentence_bert_config.json
  /// and config_sentence_transformers.json where there are any), its safetensors file, or a GGUF
  /// file of the architecture bert. Weights are read and repacked once; token embeddings stay in
  /// the file. Errors: kNotFound (a missing file, named); kUnsupported for other architectures,
  /// activations, poolings and cased vocabularies (named); kCorrupt for a missing or misshapen
  /// tensor or broken file (named); kInvalidArgument for a token limit below 3 or beyond the
  /// model's positions; kIo.
  static Result<std::shared_ptr<const Embedder>> open(const std::filesystem::path& path,
                                                      const EmbedderOptions& options);
  ~Embedder();
  Embedder(const Embedder&) = delete;
  Embedder& operator=(const Embedder&) = delete;

  /// Embeds all texts on `pool`, as many at once as fill it; none are padded.
  /// Errors: kCancelled; kIo if the model's file shrank or can't be read any more.
  Result<Embeddings> embed(std::span<const std::string_view> texts, cpu::ThreadPool& pool,
                           const EmbedOptions& options) const;
  Result<Embeddings> embed(std::string_view text, cpu::ThreadPool& pool,
                           const EmbedOptions& options) const;

  std::size_t width() const noexcept;       // d
  std::size_t tokens_max() const noexcept;  // of a text, with [CLS] and [SEP]
  Pooling pooling() const noexcept;
  EmbedderPrecision precision() const noexcept;
  std::size_t weight_bytes() const noexcept;  // of the matrices in memory
  double macs_per_token() const noexcept;     // multiply-adds of the matrix products
  const std::string& query_prefix() const noexcept;
  const std::string& document_prefix() const noexcept;
  /// What the files left open and how it was decided; empty if nothing.
  const std::vector<std::string>& warnings() const noexcept;

 private:
  struct State;
  explicit Embedder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weft::inference
