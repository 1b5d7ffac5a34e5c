#include "inference/token_scores.h"

#include <algorithm>

namespace weft::inference {

void TokenScores::add(TokenId id, float score) {
  if (!runs_.empty()) {
    Run& last = runs_.back();
    const bool follows = last.first + static_cast<TokenId>(last.count) == id;
    Run longer = last;
    if (longer.count == 1) longer.step = score - longer.score;
    if (follows && longer.at(longer.count) == score) {
      ++longer.count;
      last = longer;
      return;
    }
  }
  runs_.push_back({.first = id, .count = 1, .score = score});
}

float TokenScores::find(TokenId id) const noexcept {
  const auto after = std::ranges::upper_bound(runs_, id, {}, &Run::first);
  if (after == runs_.begin()) return kNone;
  const Run& run = *(after - 1);
  const auto i = static_cast<std::size_t>(id - run.first);
  return i < run.count ? run.at(i) : kNone;
}

}  // namespace weft::inference
