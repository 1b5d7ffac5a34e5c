#pragma once
// Adapters packed for a CPU level, and which rows of a step have which. Float matrices with the
// order of sums of all others (matrix.h): a row's change has the same bits in any batch, for any
// number of threads, at every level. Private to inference/cpu.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "inference/adapter/low_rank.h"
#include "inference/backend.h"
#include "inference/cpu/level.h"
#include "inference/cpu/matrix.h"

namespace weft::inference::cpu {

/// Inputs of linear layers. Layers with the same input have their A's in one matrix.
enum class AdapterSite : std::uint8_t { kAttention, kAttended, kFfn, kHidden };
inline constexpr std::size_t kAdapterSites = 4;

struct AdapterLayer {
  struct Expansion {
    std::optional<Matrix> b;    // (rows, rank); none where the layer isn't changed
    std::size_t first_row = 0;  // of its A within the site's
  };
  std::array<std::optional<Matrix>, kAdapterSites> a;  // (ranks of the site's layers, columns)
  std::array<Expansion, kLinears> linear;

  const std::optional<Matrix>& of(AdapterSite site) const noexcept {
    return a[static_cast<std::size_t>(site)];
  }
  const Expansion& of(Linear which) const noexcept {
    return linear[static_cast<std::size_t>(which)];
  }
};

struct PackedAdapter final : AdapterWeights {
  std::vector<AdapterLayer> layers;
  std::size_t site_rank_max = 0;  // of the sites' ranks
  std::size_t bytes = 0;

  std::size_t size_bytes() const noexcept override { return bytes; }
};

/// `changes` are of the model's shapes, at most one a linear layer. Errors: as Matrix::pack().
Result<std::unique_ptr<const PackedAdapter>> pack_adapter(std::span<const LowRank> changes,
                                                          const ModelConfig& config, Level level);

/// The rows of a step that have an adapter, grouped by it.
class AdapterRows {
 public:
  struct Group {
    const PackedAdapter* adapter = nullptr;
    std::vector<std::size_t> rows;
  };

  void clear() noexcept;
  /// The next row's; null if it has none.
  void push_back(const PackedAdapter* adapter);

  bool empty() const noexcept { return groups_.empty(); }
  std::span<const Group> groups() const noexcept { return groups_; }
  /// Calls body(group, index within it) if the row has an adapter.
  template <typename Body>
  void at(std::size_t row, const Body& body) const {
    if (places_[row].group != kNone) body(places_[row].group, places_[row].index);
  }

 private:
  static constexpr std::size_t kNone = SIZE_MAX;
  struct Place {
    std::size_t group = kNone;
    std::size_t index = 0;
  };
  std::vector<Group> groups_;
  std::vector<Place> places_;  // one a row
};

}  // namespace weft::inference::cpu
