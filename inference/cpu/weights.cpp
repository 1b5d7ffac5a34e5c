#include "inference/cpu/weights.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "inference/cpu/packed_file.h"
#include "inference/numerics_id.h"

namespace weft::inference::cpu {
namespace {

constexpr std::size_t kLoaderThreadsMax = 8;

Result<std::vector<float>> read_vector(const GgufFile& file, const TensorInfo* tensor) {
  std::vector<float> values;
  if (tensor == nullptr) return values;
  values.resize(tensor->row_length());
  WEFT_TRY_VOID(file.read_rows(*tensor, 0, 1, values));
  for (const float value : values) {
    if (!std::isfinite(value)) {
      return Error{ErrorCode::kCorrupt,
                   "tensor " + tensor->name + " holds a value that isn't finite"};
    }
  }
  return values;
}

/// `factors` slow the pairs of the first table down; may be empty.
Result<std::vector<std::vector<double>>> rope_frequencies(const ModelConfig& config,
                                                          std::span<const float> factors) {
  std::vector<std::vector<double>> tables;
  for (const RopeConfig& rope : config.ropes) {
    std::vector<double>& frequencies = tables.emplace_back(config.rope_width / 2);
    for (std::size_t i = 0; i < frequencies.size(); ++i) {
      const double exponent =
          -2.0 * static_cast<double>(i) / static_cast<double>(config.rope_width);
      frequencies[i] = std::pow(static_cast<double>(rope.base), exponent) *
                       static_cast<double>(rope.position_scale);
    }
  }
  for (std::size_t i = 0; i < factors.size(); ++i) {
    if (!(factors[i] > 0)) {
      return Error{ErrorCode::kCorrupt, "tensor rope_freqs.weight holds a factor of " +
                                            std::to_string(factors[i]) +
                                            "; factors must be above 0"};
    }
    tables.front()[i] /= static_cast<double>(factors[i]);
  }
  return tables;
}

/// A matrix to repack and where to put it.
struct PackJob {
  const TensorInfo* tensor;
  std::optional<Matrix>* matrix;
  std::size_t index;  // among the model's matrices
};

/// Repacks matrices on several threads, a tensor each; or takes them as they were packed before.
class Packer {
 public:
  Packer(const ModelWeights& to, std::vector<PackJob> jobs, const LoadOptions& options)
      : file_(*to.file),
        jobs_(std::move(jobs)),
        level_(to.level),
        options_(options),
        packed_(PackedFile::open({*to.file, to.fingerprint, to.level}, tensors_of(jobs_))) {
    for (const PackJob& job : jobs_) total_ += job.tensor->size_bytes;
    // The largest first, so that no thread is left alone with it at the end.
    std::ranges::stable_sort(jobs_, std::ranges::greater(),
                             [](const PackJob& job) { return job.tensor->size_bytes; });
  }

  Result<void> run() {
    const std::size_t threads = std::clamp<std::size_t>(
        std::min<std::size_t>(std::thread::hardware_concurrency(), jobs_.size()), 1,
        kLoaderThreadsMax);
    {
      std::vector<std::jthread> helpers;
      for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back([this] { work(); });
      work();
    }
    if (error_) return *std::move(error_);
    return {};
  }

 private:
  void work() {
    for (;;) {
      const std::size_t index = next_.fetch_add(1);
      if (index >= jobs_.size() || failed_.load()) return;
      const auto done = options_.stop.stop_requested()
                            ? Result<void>(Error{ErrorCode::kCancelled, "loading was cancelled"})
                            : pack(jobs_[index]);
      const std::scoped_lock lock(mutex_);
      if (!done) {
        if (!error_) error_ = done.error();
        failed_ = true;
        return;
      }
      done_ += jobs_[index].tensor->size_bytes;
      if (options_.on_progress) options_.on_progress(done_, total_);
    }
  }

  static std::vector<const TensorInfo*> tensors_of(const std::vector<PackJob>& jobs) {
    std::vector<const TensorInfo*> tensors;
    for (const PackJob& job : jobs) tensors.push_back(job.tensor);
    return tensors;
  }

  Result<void> pack(const PackJob& job) {
    const TensorInfo& tensor = *job.tensor;
    if (packed_) {
      WEFT_TRY(matrix, packed_->matrix(job.index));
      job.matrix->emplace(std::move(matrix));
      return {};
    }
    auto packed = Matrix::pack(
        tensor.type, tensor.rows(), tensor.row_length(),
        [&](std::uint64_t offset, std::span<std::byte> out) {
          return file_.read(tensor, offset, out);
        },
        level_, arena_);
    if (!packed) return std::move(packed).error().with_context("tensor " + tensor.name);
    job.matrix->emplace(*std::move(packed));
    return {};
  }

  const GgufFile& file_;
  std::vector<PackJob> jobs_;
  Level level_;
  const LoadOptions& options_;
  const Result<PackedFile> packed_;  // its error says why there is none, which is nobody's fault
  WeightArena arena_;
  std::uint64_t total_ = 0;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;  // over what follows, and over on_progress
  std::uint64_t done_ = 0;
  std::optional<Error> error_;
};

/// The matrices of a layer, in an order that packed files keep.
template <typename Layer>
auto matrices_of(Layer& layer) {
  return std::array{&layer.q,    &layer.k,  &layer.v,   &layer.attention_output,
                    &layer.gate, &layer.up, &layer.down};
}

/// Reads norms and biases into `layers`.
Result<void> read_vectors(const GgufFile& file, const ModelTensors& tensors,
                          std::vector<LayerWeights>& layers) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerTensors& from = tensors.layers[i];
    LayerWeights& to = layers[i];
    const std::pair<const TensorInfo*, std::vector<float>*> vectors[] = {
        {from.attention_norm, &to.attention_norm},
        {from.ffn_norm, &to.ffn_norm},
        {from.q_bias, &to.q_bias},
        {from.k_bias, &to.k_bias},
        {from.v_bias, &to.v_bias},
        {from.q_norm, &to.q_norm},
        {from.k_norm, &to.k_norm},
        {from.attention_post_norm, &to.attention_post_norm},
        {from.ffn_post_norm, &to.ffn_post_norm}};
    for (const auto& [tensor, values] : vectors) {
      WEFT_TRY(read, read_vector(file, tensor));
      *values = std::move(read);
    }
  }
  return {};
}

std::vector<PackJob> pack_jobs(const ModelTensors& tensors, ModelWeights& weights) {
  std::vector<PackJob> jobs;
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    const auto from = matrices_of(tensors.layers[i]);
    const auto to = matrices_of(weights.layers[i]);
    for (std::size_t m = 0; m < to.size(); ++m) jobs.push_back({*from[m], to[m], jobs.size()});
  }
  jobs.push_back({tensors.output, &weights.output, jobs.size()});
  return jobs;
}

}  // namespace

Result<ModelWeights> load_weights(const GgufFile& file, const ModelConfig& config,
                                  const ModelTensors& tensors, Level level,
                                  const LoadOptions& options) {
  ModelWeights weights;
  weights.config = config;
  weights.level = level;
  weights.file = &file;
  weights.embedding = tensors.embedding;
  weights.fingerprint = options.fingerprint;
  if (weights.fingerprint.empty()) {
    WEFT_TRY(print, fingerprint(file));
    weights.fingerprint = std::move(print);
  }
  WEFT_TRY(factors, read_vector(file, tensors.rope_factors));
  WEFT_TRY(frequencies, rope_frequencies(config, factors));
  weights.rope_frequencies = std::move(frequencies);
  WEFT_TRY(norm, read_vector(file, tensors.output_norm));
  weights.output_norm = std::move(norm);
  weights.layers.resize(config.layers);
  WEFT_TRY_VOID(read_vectors(file, tensors, weights.layers));
  WEFT_TRY_VOID(Packer(weights, pack_jobs(tensors, weights), options).run());
  for (const Matrix* matrix : packed_matrices(weights)) weights.size_bytes += matrix->size_bytes();
  return weights;
}

std::vector<const Matrix*> packed_matrices(const ModelWeights& weights) {
  std::vector<const Matrix*> matrices;
  for (const LayerWeights& layer : weights.layers) {
    for (const auto* matrix : matrices_of(layer)) matrices.push_back(&**matrix);
  }
  matrices.push_back(&*weights.output);
  return matrices;
}

}  // namespace weft::inference::cpu
