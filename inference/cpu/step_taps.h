#pragma once
// Where a step's rows of each tapped request stand, and the calls of its taps. Private to
// inference/cpu.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "inference/backend.h"
#include "inference/hooks.h"

namespace weft::inference::cpu {

/// Rows [0, first_kept) of a slice end with the keys and values of `last`, the last layer: no
/// logits are wanted there, and no tap sees what would follow.
std::size_t first_kept(const Slice& slice, std::size_t last) noexcept;

class StepTaps {
 public:
  /// Before the caches grow.
  void plan(std::span<const Slice> slices, std::size_t last, std::size_t width);

  bool at(std::size_t layer, TapPoint point) const noexcept {
    return !requests_.empty() && any(layer, point);
  }
  /// Of one thread, while no other touches `rows`, (.., width): those of the step, or those alone
  /// that were kept.
  enum class Rows : std::uint8_t { kStep, kKept };
  void call(std::size_t layer, TapPoint point, float* rows, Rows which) const noexcept;

  /// Wanted rows of the step whose scores are tapped in a layer, each with one kind of them.
  struct ScoreRow {
    HookRun* run = nullptr;
    ScoreTap::Kind kind = ScoreTap::Kind::kWeights;
    std::size_t row = 0;
  };
  bool has_scores() const noexcept { return has_scores_; }
  std::vector<ScoreRow> scores(std::size_t layer) const;

 private:
  struct Request {
    HookRun* run;
    std::size_t position;  // of the slice's first row
    std::size_t row;       // of the step, where the slice begins
    std::size_t rows;
    std::size_t wanted;    // of the slice: the first that is
    std::size_t kept;      // likewise
    std::size_t kept_row;  // where that stands among all that are kept
  };
  bool any(std::size_t layer, TapPoint point) const noexcept;

  std::size_t width_ = 0;
  bool has_scores_ = false;
  std::vector<Request> requests_;  // only those with taps
};

}  // namespace weft::inference::cpu
