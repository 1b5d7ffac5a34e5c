#include "tests/fakes/counting_backend.h"

#include <utility>

namespace weft::fakes {
namespace {

using namespace inference;

using Counter = std::shared_ptr<std::atomic<std::size_t>>;

class CountingMemory final : public KvMemory {
 public:
  CountingMemory(std::shared_ptr<const KvMemory> memory, Counter alive)
      : memory_(std::move(memory)), alive_(std::move(alive)) {}

  std::size_t block_bytes() const noexcept override { return memory_->block_bytes(); }
  KvBlock new_block() const override { return count(memory_->new_block()); }
  KvBlock copy(const KvBlock& block) const override { return count(memory_->copy(block)); }
  std::shared_ptr<const KvMemory> for_steps(std::size_t steps) const override {
    return std::make_shared<CountingMemory>(memory_->for_steps(steps), alive_);
  }
  std::size_t truncate_max() const noexcept override { return memory_->truncate_max(); }

 private:
  KvBlock count(KvBlock block) const {
    ++*alive_;
    return {block.get(), [block, alive = alive_](void*) { --*alive; }};
  }

  std::shared_ptr<const KvMemory> memory_;
  Counter alive_;
};

class CountingRunner final : public StepRunner {
 public:
  CountingRunner(std::unique_ptr<StepRunner> runner, Counter alive)
      : runner_(std::move(runner)),
        memory_(std::make_shared<CountingMemory>(runner_->kv_memory(), std::move(alive))) {}

  const std::shared_ptr<const KvMemory>& kv_memory() const noexcept override { return memory_; }
  bool can_fork() const noexcept override { return runner_->can_fork(); }
  Result<void> read(std::span<const Slice> slices) override { return runner_->read(slices); }
  Result<void> logits(std::size_t first, std::size_t count, std::span<float> out) override {
    return runner_->logits(first, count, out);
  }
  Result<void> sparse_logits(std::size_t i, std::span<const std::uint64_t> needed,
                             std::span<float> out) override {
    return runner_->sparse_logits(i, needed, out);
  }
  Result<void> hidden(std::size_t i, std::span<float> out) override {
    return runner_->hidden(i, out);
  }

 private:
  std::unique_ptr<StepRunner> runner_;
  std::shared_ptr<const KvMemory> memory_;
};

class CountingWeights final : public Weights {
 public:
  CountingWeights(std::unique_ptr<const Weights> weights, Counter alive)
      : weights_(std::move(weights)), alive_(std::move(alive)) {}

  std::size_t size_bytes() const noexcept override { return weights_->size_bytes(); }
  Result<std::unique_ptr<StepRunner>> open_runner() const override {
    WEFT_TRY(runner, weights_->open_runner());
    return std::unique_ptr<StepRunner>(std::make_unique<CountingRunner>(std::move(runner), alive_));
  }

 private:
  std::unique_ptr<const Weights> weights_;
  Counter alive_;
};

class CountingBackend final : public Backend {
 public:
  CountingBackend(std::shared_ptr<const Backend> backend, Counter alive)
      : backend_(std::move(backend)), alive_(std::move(alive)) {}

  std::string name() const override { return backend_->name(); }
  NumericsId numerics(const std::string& weights) const override {
    return backend_->numerics(weights);
  }
  Result<std::unique_ptr<const Weights>> load(const GgufFile& file, const ModelConfig& config,
                                              const ModelTensors& tensors,
                                              const LoadOptions& options) const override {
    WEFT_TRY(weights, backend_->load(file, config, tensors, options));
    return std::unique_ptr<const Weights>(
        std::make_unique<CountingWeights>(std::move(weights), alive_));
  }

 private:
  std::shared_ptr<const Backend> backend_;
  Counter alive_;
};

}  // namespace

std::shared_ptr<const Backend> counting_backend(std::shared_ptr<const Backend> backend,
                                                Counter alive) {
  return std::make_shared<CountingBackend>(std::move(backend), std::move(alive));
}

}  // namespace weft::fakes
