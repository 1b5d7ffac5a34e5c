#pragma once
// The forward pass: pre-norm attention with rotary positions, then a gated FFN. What architectures
// do otherwise (norms of heads and branches, windows, the activation) is data in ModelConfig.
// A step takes tokens of any number of sequences through all layers in one run of the thread pool.
// What a token's logits are doesn't depend on the step that it came in, nor on the number of
// threads. Private to inference/cpu.
// Source: Touvron et al. 2023 (LLaMA), Qwen team 2024 and 2025 (Qwen2, Qwen3), Gemma team 2025
// (Gemma 3).

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "inference/backend.h"
#include "inference/cpu/adapter.h"
#include "inference/cpu/attention.h"
#include "inference/cpu/kv_blocks.h"
#include "inference/cpu/matrix.h"
#include "inference/cpu/pass.h"
#include "inference/cpu/quantised_input.h"
#include "inference/cpu/rotations.h"
#include "inference/cpu/step_taps.h"
#include "inference/cpu/thread_pool.h"
#include "inference/cpu/vector_kernels.h"
#include "inference/cpu/weights.h"
#include "inference/token.h"

namespace weft::inference::cpu {

/// Working memory and control of the forward pass for one model and pool, both borrowed.
class Forward final : public StepRunner {
 public:
  Forward(const ModelWeights& model, ThreadPool& pool, KvType kv);
  ~Forward() override;

  const std::shared_ptr<const KvMemory>& kv_memory() const noexcept override { return memory_; }
  bool can_fork() const noexcept override { return true; }
  Result<void> read(std::span<const Slice> slices) override;
  Result<void> logits(std::size_t first, std::size_t count, std::span<float> out) override;
  Result<void> sparse_logits(std::size_t i, std::span<const std::uint64_t> needed,
                             std::span<float> out) override;
  Result<void> hidden(std::size_t i, std::span<float> out) override;

 private:
  struct Scratch;  // of one thread
  class Worker;
  /// The step's tokens as attention sees them, and their tiles for each window there is.
  struct Queries {
    std::vector<QueryToken> tokens;
    std::vector<std::vector<QueryTile>> tiles;
    AdapterRows adapted;
  };
  /// A token that another sequence of the step has read too.
  struct SharedToken {
    std::size_t row = 0;  // of the step
    const KvCache* cache = nullptr;
  };

  /// read() of slices that go one way.
  Result<void> run(std::span<const Slice> slices, const Pass& pass);
  Result<void> run_apart(std::span<const Slice> slices);
  Result<void> embed(std::span<const Slice> slices);
  void plan(std::span<const Slice> slices);
  void plan_forks(std::span<const Slice> slices);
  void grow(std::size_t rows);

  const ModelWeights& model_;
  const VectorKernels& kernels_;
  ThreadPool& pool_;
  std::shared_ptr<const KvBlocks> kv_;
  std::shared_ptr<const KvMemory> memory_;  // the same
  unsigned normed_kinds_ = 0;               // what reads the normed input: q, k, v, gate, up
  unsigned attended_kinds_ = 0;             // attention_output
  unsigned hidden_kinds_ = 0;               // down

  Pass plain_;                       // the model's own
  const Pass* pass_ = nullptr;       // of what is read
  Queries queries_;                  // of all the step's tokens
  Queries kept_;                     // of those that the last layer has to attend: see first_kept()
  std::vector<SharedToken> shared_;  // keys and values that go to forks: see Slice::fork
  std::vector<std::size_t> wanted_;  // rows of x_ after the last layer whose logits are wanted
  StepTaps taps_;

  const AdapterRows unadapted_;

  // All (tokens of the step, ...). From the last layer's attention on, x_ has the kept rows only.
  std::vector<float> x_;                   // width: the residual stream
  std::vector<float> y_;                   // width: what a branch adds to it
  std::vector<float> q_, k_, v_;           // heads or kv heads, times head width
  std::vector<float> attended_;            // heads * head width
  std::vector<float> gate_, up_;           // ffn width
  std::vector<Rotations> rotations_;       // one for each of the pass's ropes
  std::vector<Rotations> sink_rotations_;  // of queries that meet sinks; none without sinks
  QuantisedInput normed_input_, attended_input_, hidden_input_;
  std::vector<std::vector<float>> reduced_;  // A x of each adapter's rows: (rows, site's ranks)
  std::vector<float> scores_;                // of a row whose scores are tapped: (heads, seen)
  std::vector<Scratch> scratch_;
};

}  // namespace weft::inference::cpu
