#include "inference/cpu/backend.h"

#include <utility>

#include "inference/cpu/adapter.h"
#include "inference/cpu/forward.h"
#include "inference/cpu/packed_file.h"
#include "inference/cpu/weights.h"

namespace weft::inference::cpu {
namespace {

/// Raised with every change of a kernel or of an order of sums that changes a bit of any result.
constexpr std::uint32_t kKernelRevision = 2;

class LoadedWeights final : public Weights {
 public:
  LoadedWeights(ModelWeights weights, std::shared_ptr<ThreadPool> pool, KvType kv)
      : weights_(std::move(weights)), pool_(std::move(pool)), kv_(kv) {}

  std::size_t size_bytes() const noexcept override { return weights_.size_bytes; }
  Result<std::unique_ptr<StepRunner>> open_runner() const override {
    return std::unique_ptr<StepRunner>(std::make_unique<Forward>(weights_, *pool_, kv_));
  }
  Result<std::filesystem::path> keep(const LoadOptions& options) const override {
    return write_packed({*weights_.file, weights_.fingerprint, weights_.level},
                        packed_matrices(weights_), options);
  }
  Result<std::unique_ptr<const AdapterWeights>> load_adapter(
      std::span<const LowRank> changes) const override {
    WEFT_TRY(packed, pack_adapter(changes, weights_.config, weights_.level));
    return std::unique_ptr<const AdapterWeights>(std::move(packed));
  }

 private:
  ModelWeights weights_;
  std::shared_ptr<ThreadPool> pool_;
  KvType kv_;
};

class CpuBackend final : public Backend {
 public:
  CpuBackend(Level level, std::shared_ptr<ThreadPool> pool, KvType kv)
      : level_(level), pool_(std::move(pool)), kv_(kv) {}

  std::string name() const override { return "cpu " + std::string(to_string(level_)); }
  NumericsId numerics(const std::string& weights) const override {
    return {weights, "cpu", "exact, kv " + std::string(to_string(kv_)), kKernelRevision};
  }

  Result<std::unique_ptr<const Weights>> load(const GgufFile& file, const ModelConfig& config,
                                              const ModelTensors& tensors,
                                              const LoadOptions& options) const override {
    WEFT_TRY(weights, load_weights(file, config, tensors, level_, options));
    return std::unique_ptr<const Weights>(
        std::make_unique<LoadedWeights>(std::move(weights), pool_, kv_));
  }

 private:
  Level level_;
  std::shared_ptr<ThreadPool> pool_;
  KvType kv_;
};

}  // namespace

std::shared_ptr<const Backend> make_backend(Level level, std::shared_ptr<ThreadPool> pool,
                                            KvType kv) {
  return std::make_shared<CpuBackend>(level, std::move(pool), kv);
}

}  // namespace weft::inference::cpu
