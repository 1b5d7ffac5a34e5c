#include "tests/fakes/reference_backend.h"

#include <utility>
#include <vector>

#include "inference/gguf.h"
#include "tests/fakes/reference_forward.h"

namespace weft::fakes {
namespace {

using namespace inference;

/// The rows of 64 tokens, one after the other.
class RowBlocks final : public KvMemory {
 public:
  using Rows = std::vector<float>;
  RowBlocks(std::size_t width, std::size_t truncate_max)
      : width_(width), truncate_max_(truncate_max) {}

  std::size_t block_bytes() const noexcept override {
    return kKvBlockTokens * width_ * sizeof(float);
  }
  KvBlock new_block() const override { return std::make_shared<Rows>(kKvBlockTokens * width_); }
  KvBlock copy(const KvBlock& block) const override {
    return std::make_shared<Rows>(*static_cast<const Rows*>(block.get()));
  }

  std::shared_ptr<const KvMemory> for_steps(std::size_t) const override {
    return std::make_shared<RowBlocks>(*this);
  }
  std::size_t truncate_max() const noexcept override { return truncate_max_; }

  std::span<float> row(const KvCache& cache, std::size_t position) const {
    auto& rows = *static_cast<Rows*>(cache.block(position / kKvBlockTokens).get());
    return std::span(rows).subspan(position % kKvBlockTokens * width_, width_);
  }

 private:
  std::size_t width_;
  std::size_t truncate_max_;
};

class ReferenceRunner final : public StepRunner {
 public:
  ReferenceRunner(const GgufFile& file, std::size_t width, std::size_t truncate_max)
      : file_(file), kv_(std::make_shared<RowBlocks>(width, truncate_max)), memory_(kv_) {}

  const std::shared_ptr<const KvMemory>& kv_memory() const noexcept override { return memory_; }

  Result<void> read(std::span<const Slice> slices) override {
    wanted_.clear();
    const TensorInfo& embedding = *file_.tensor("token_embd.weight");
    for (const Slice& slice : slices) {
      const std::size_t before = slice.cache->length();
      slice.cache->extend(before + slice.ids.size());
      for (std::size_t i = 0; i < slice.ids.size(); ++i) {
        if (!slice.rows.empty()) {
          const auto row = kv_->row(*slice.cache, before + i);
          std::ranges::copy(slice.rows.subspan(i * row.size(), row.size()), row.begin());
          continue;
        }
        WEFT_TRY_VOID(file_.read_rows(embedding, static_cast<std::uint64_t>(slice.ids[i]), 1,
                                      kv_->row(*slice.cache, before + i)));
      }
      if (slice.first_wanted == slice.ids.size()) continue;
      std::vector<std::vector<double>> rows;
      for (std::size_t i = 0; i < slice.cache->length(); ++i) {
        const auto row = kv_->row(*slice.cache, i);
        rows.emplace_back(row.begin(), row.end());
      }
      WEFT_TRY(logits, reference_logits_of_rows(file_, std::move(rows)));
      for (std::size_t i = before + slice.first_wanted; i < logits.size(); ++i) {
        wanted_.emplace_back(logits[i].begin(), logits[i].end());
      }
    }
    return {};
  }

  Result<void> logits(std::size_t first, std::size_t count, std::span<float> out) override {
    for (std::size_t i = 0; i < count; ++i) {
      std::ranges::copy(wanted_[first + i], out.begin());
      out = out.subspan(wanted_[first + i].size());
    }
    return {};
  }

 private:
  const GgufFile& file_;
  std::shared_ptr<const RowBlocks> kv_;
  std::shared_ptr<const KvMemory> memory_;
  std::vector<std::vector<float>> wanted_;
};

class ReferenceWeights final : public Weights {
 public:
  ReferenceWeights(GgufFile file, std::size_t width, std::size_t truncate_max)
      : file_(std::move(file)), width_(width), truncate_max_(truncate_max) {}
  std::size_t size_bytes() const noexcept override { return 0; }
  Result<std::unique_ptr<StepRunner>> open_runner() const override {
    return std::unique_ptr<StepRunner>(
        std::make_unique<ReferenceRunner>(file_, width_, truncate_max_));
  }

 private:
  GgufFile file_;  // its own: it reads metadata at every step, which the model's loses
  std::size_t width_;
  std::size_t truncate_max_;
};

class ReferenceBackend final : public Backend {
 public:
  explicit ReferenceBackend(std::size_t truncate_max) : truncate_max_(truncate_max) {}
  std::string name() const override { return "reference"; }
  NumericsId numerics(const std::string& weights) const override {
    return {weights, "reference", "exact", 1};
  }
  Result<std::unique_ptr<const Weights>> load(const GgufFile& file, const ModelConfig& config,
                                              const ModelTensors&,
                                              const LoadOptions&) const override {
    WEFT_TRY(own, GgufFile::open(file.path()));
    return std::unique_ptr<const Weights>(
        std::make_unique<ReferenceWeights>(std::move(own), config.width, truncate_max_));
  }

 private:
  std::size_t truncate_max_;
};

}  // namespace

std::shared_ptr<const Backend> reference_backend(std::size_t truncate_max) {
  return std::make_shared<ReferenceBackend>(truncate_max);
}

}  // namespace weft::fakes
