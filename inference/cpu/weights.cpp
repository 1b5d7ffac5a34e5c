#include "inference/cpu/weights.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

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
};

/// Repacks matrices on several threads, a tensor each.
class Packer {
 public:
  Packer(const GgufFile& file, std::vector<PackJob> jobs, Level level, const LoadOptions& options)
      : file_(file), jobs_(std::move(jobs)), level_(level), options_(options) {
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

  Result<void> pack(const PackJob& job) {
    const TensorInfo& tensor = *job.tensor;
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
  WeightArena arena_;
  std::uint64_t total_ = 0;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex mutex_;  // over what follows, and over on_progress
  std::uint64_t done_ = 0;
  std::optional<Error> error_;
};

/// Reads norms and biases into `layers` and returns the matrices that are still to be packed.
Result<std::vector<PackJob>> read_layers(const GgufFile& file, const ModelTensors& tensors,
                                         std::vector<LayerWeights>& layers) {
  std::vector<PackJob> jobs;
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
    jobs.insert(jobs.end(), {{from.q, &to.q},
                             {from.k, &to.k},
                             {from.v, &to.v},
                             {from.attention_output, &to.attention_output},
                             {from.gate, &to.gate},
                             {from.up, &to.up},
                             {from.down, &to.down}});
  }
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
  WEFT_TRY(factors, read_vector(file, tensors.rope_factors));
  WEFT_TRY(frequencies, rope_frequencies(config, factors));
  weights.rope_frequencies = std::move(frequencies);
  WEFT_TRY(norm, read_vector(file, tensors.output_norm));
  weights.output_norm = std::move(norm);
  weights.layers.resize(config.layers);
  WEFT_TRY(jobs, read_layers(file, tensors, weights.layers));
  jobs.push_back({tensors.output, &weights.output});
  WEFT_TRY_VOID(Packer(file, jobs, level, options).run());
  for (const PackJob& job : jobs) weights.size_bytes += (*job.matrix)->size_bytes();
  return weights;
}

}  // namespace weft::inference::cpu
