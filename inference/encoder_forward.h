#pragma once
// The forward pass of a BERT-type encoder over several sequences at once, laid one after the other:
// the matrix products see rows of tokens, attention sees the sequences, and nothing is padded.
// Source: Devlin et al. 2019; Vaswani et al. 2017, section 3.1 (post-norm).

#include <atomic>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "inference/cpu/matrix.h"
#include "inference/cpu/thread_pool.h"
#include "inference/encoder_files.h"
#include "inference/encoder_weights.h"
#include "inference/token.h"

namespace weft::inference {

/// Scratch for passes of up to so many tokens. One pass at a time.
class EncoderForward {
 public:
  /// `sequence_tokens` bounds one sequence, `batch_tokens` their sum, `threads` the team. Borrows
  /// its parts.
  EncoderForward(const EncoderWeights& weights, const EncoderTensors& tensors,
                 std::size_t sequence_tokens, std::size_t batch_tokens, std::size_t threads);

  using Sequences = std::span<const std::span<const TokenId>>;
  /// `sequences` are not empty. The last layer's rows, of all tokens, are then in hidden().
  /// Errors: kIo if the token embeddings can't be read.
  Result<void> run(Sequences sequences, cpu::ThreadPool& pool);
  /// The same on the calling thread alone: others may run passes of their own meanwhile.
  Result<void> run_alone(Sequences sequences);

  /// (tokens of all sequences, width), in order; until the next run().
  std::span<const float> hidden() const noexcept { return x_; }

 private:
  struct Sequence {
    std::size_t first;  // row
    std::size_t tokens;
  };
  struct Rows {
    std::size_t begin;
    std::size_t end;
  };

  void prepare(Sequences sequences);
  void work(std::size_t thread, cpu::Team& team);
  Result<void> result() const;
  Result<void> embed(Rows rows);
  void run_layer(std::size_t index, std::size_t thread, cpu::Team& team);
  void attend(const EncoderLayer& layer, std::size_t thread, cpu::Team& team);
  /// Rows of `from` (tokens, width), times `scale` unless it is empty, into narrow_.
  void set_rows(const std::vector<float>& from, std::span<const float> scale, Rows rows,
                std::size_t thread);
  Rows rows_of(std::size_t thread, std::size_t threads) const noexcept;

  const EncoderWeights& weights_;
  const EncoderTensors& tensors_;
  const cpu::EncoderKernels& kernels_;

  std::vector<TokenId> ids_;
  std::vector<std::size_t> positions_;
  std::vector<Sequence> sequences_;
  std::vector<float> x_;                     // (tokens, width): the residual stream
  std::vector<float> query_, key_, value_;   // (tokens, width); attention's output replaces query_
  std::vector<float> ffn_;                   // (tokens, ffn width)
  std::vector<std::vector<float>> scratch_;  // a thread's own
  cpu::Activations narrow_, wide_;           // of width and of ffn width columns
  std::vector<std::optional<Error>> errors_;  // a thread each
  std::atomic<bool> failed_ = false;
};

}  // namespace weft::inference
