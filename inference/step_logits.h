#pragma once
// The logits of a step's wanted tokens, a few rows at a time: of the vocabulary, then of the
// request's own head rows. Where it is known beforehand that few tokens are needed, only their
// logits are computed. Private to inference.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/result.h"
#include "inference/backend.h"
#include "inference/hooks.h"
#include "inference/model_config.h"

namespace weft::inference {

/// Of a row, counted as its caller does.
using NeededTokens = std::function<std::span<const std::uint64_t>(std::size_t i)>;

class StepLogits {
 public:
  /// Of row i, counted from the first that is read.
  struct Rows {
    std::size_t first = 0;  // of the step's wanted tokens
    std::size_t count = 0;
    std::function<const Hooks*(std::size_t i)> hooks = {};  // of its request; none: of no row
    /// Tokens that the row is needed of, a bit an id; empty: of all. It is asked again after the
    /// rows before it have been handed out, if it was asked earlier.
    NeededTokens needed = {};
    /// In order; the logits, (vocabulary + head rows), are borrowed until it returns.
    std::function<void(std::size_t i, std::span<const float> logits)> on_row;
    std::vector<float>* last = nullptr;  // where those of the last row are kept; null: nowhere
  };

  explicit StepLogits(const ModelConfig& config)
      : vocabulary_(config.vocabulary), width_(config.width) {}

  Result<void> read(StepRunner& runner, const Rows& rows);

 private:
  /// Whether `needed` is so little that the rest is left out.
  bool is_sparse(std::span<const std::uint64_t> needed) const noexcept;
  /// Of row i, the `at`-th in logits_.
  Result<void> hand_out(StepRunner& runner, const Rows& rows, std::size_t i, std::size_t at);

  std::size_t vocabulary_;
  std::size_t width_;
  std::vector<float> logits_;    // (rows at once, vocabulary)
  std::vector<float> hidden_;    // (width)
  std::vector<float> extended_;  // (vocabulary + head rows)
};

}  // namespace weft::inference
