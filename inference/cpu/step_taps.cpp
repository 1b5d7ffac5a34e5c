#include "inference/cpu/step_taps.h"

#include <algorithm>

namespace weft::inference::cpu {

std::size_t first_kept(const Slice& slice, std::size_t last) noexcept {
  const bool all = slice.hooks != nullptr && slice.hooks->taps_unwanted(last);
  return all ? 0 : slice.first_wanted;
}

void StepTaps::plan(std::span<const Slice> slices, std::size_t last, std::size_t width) {
  width_ = width;
  has_scores_ = false;
  requests_.clear();
  std::size_t row = 0;
  std::size_t kept_row = 0;
  for (std::size_t s = 0; s < slices.size(); ++s) {
    const Slice& slice = slices[s];
    const std::size_t kept = first_kept(slice, last);
    const Hooks* hooks = slice.hooks != nullptr ? &slice.hooks->hooks() : nullptr;
    if (hooks != nullptr && !(hooks->taps.empty() && hooks->scores.empty())) {
      has_scores_ = has_scores_ || !hooks->scores.empty();
      requests_.push_back({slice.hooks, first_position(slices, s), row, slice.ids.size(),
                           slice.first_wanted, kept, kept_row});
    }
    row += slice.ids.size();
    kept_row += slice.ids.size() - kept;
  }
}

std::vector<StepTaps::ScoreRow> StepTaps::scores(std::size_t layer) const {
  std::vector<ScoreRow> rows;
  for (const Request& r : requests_) {
    const auto kinds = r.run->score_kinds(layer);
    for (std::size_t i = r.wanted; i < r.rows; ++i) {
      for (const ScoreTap::Kind kind : kinds) rows.push_back({r.run, kind, r.row + i});
    }
  }
  return rows;
}

bool StepTaps::any(std::size_t layer, TapPoint point) const noexcept {
  return std::ranges::any_of(requests_,
                             [&](const Request& r) { return r.run->taps(layer, point); });
}

void StepTaps::call(std::size_t layer, TapPoint point, float* rows, Rows which) const noexcept {
  const bool only_kept = which == Rows::kKept;
  for (const Request& r : requests_) {
    const std::size_t skipped = only_kept ? r.kept : 0;
    if (skipped == r.rows) continue;
    const std::span values(rows + (only_kept ? r.kept_row : r.row) * width_,
                           (r.rows - skipped) * width_);
    r.run->call({layer, point, r.position + skipped, width_, values}, r.wanted - skipped, values);
  }
}

}  // namespace weft::inference::cpu
