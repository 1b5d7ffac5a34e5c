#pragma once
// An even choice of at most kKept of all items that were added, whatever their number. Source:
// Vitter 1985, "Random sampling with a reservoir", algorithm R.

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/random.h"

namespace weft::planner {

template <typename T>
class Reservoir {
 public:
  static constexpr std::size_t kKept = 512;

  Reservoir() = default;
  /// As it was: `seen` items were added, `items` are left. At most kKept of them count.
  Reservoir(std::int64_t seen, std::vector<T> items) : seen_(seen), items_(std::move(items)) {
    if (items_.size() > kKept) items_.resize(kKept);
    seen_ = std::max(seen_, static_cast<std::int64_t>(items_.size()));
  }

  void add(const T& item) {
    ++seen_;
    if (items_.size() < kKept) return items_.push_back(item);
    // The choice depends on how many came before alone, so equal runs make equal books.
    Random random(0, static_cast<std::uint64_t>(seen_));
    const std::uint64_t place = random.below(static_cast<std::uint64_t>(seen_));
    if (place < items_.size()) items_[place] = item;
  }
  /// What two reservoirs keep, as if one had seen all: each in proportion to what it has seen.
  void merge(const Reservoir& other) {
    if (other.items_.empty()) return;
    // Drawing again and again for the sake of a few new ones would leave ever fewer different.
    if (other.seen_ == static_cast<std::int64_t>(other.items_.size())) {
      for (const T& item : other.items_) add(item);
      return;
    }
    const std::int64_t all = seen_ + other.seen_;
    std::vector<T> items;
    if (items_.size() + other.items_.size() <= kKept) {
      items = items_;
      items.insert(items.end(), other.items_.begin(), other.items_.end());
    } else {
      Random random(1, static_cast<std::uint64_t>(all));
      for (std::size_t i = 0; i < kKept; ++i) {
        const bool mine =
            random.below(static_cast<std::uint64_t>(all)) < static_cast<std::uint64_t>(seen_);
        const std::vector<T>& from = mine ? items_ : other.items_;
        items.push_back(from[random.below(from.size())]);
      }
    }
    items_ = std::move(items);
    seen_ = all;
  }

  std::int64_t seen() const noexcept { return seen_; }
  const std::vector<T>& items() const noexcept { return items_; }
  friend bool operator==(const Reservoir&, const Reservoir&) = default;

 private:
  std::int64_t seen_ = 0;
  std::vector<T> items_;
};

}  // namespace weft::planner
