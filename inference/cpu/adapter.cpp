#include "inference/cpu/adapter.h"

#include <algorithm>
#include <cstring>

#include "inference/model_config.h"

namespace weft::inference::cpu {
namespace {

AdapterSite site_of(Linear linear) noexcept {
  switch (linear) {
    case Linear::kQ:
    case Linear::kK:
    case Linear::kV:
      return AdapterSite::kAttention;
    case Linear::kAttentionOutput:
      return AdapterSite::kAttended;
    case Linear::kGate:
    case Linear::kUp:
      return AdapterSite::kFfn;
    case Linear::kDown:
      break;
  }
  return AdapterSite::kHidden;
}

Result<Matrix> pack(std::span<const float> values, std::size_t columns, Level level,
                    WeightArena& arena) {
  return Matrix::pack(
      TensorType::kF32, values.size() / columns, columns,
      [&](std::uint64_t offset, std::span<std::byte> out) -> Result<void> {
        std::memcpy(out.data(), std::as_bytes(values).data() + offset, out.size());
        return {};
      },
      level, arena);
}

}  // namespace

Result<std::unique_ptr<const PackedAdapter>> pack_adapter(std::span<const LowRank> changes,
                                                          const ModelConfig& config, Level level) {
  auto packed = std::make_unique<PackedAdapter>();
  packed->layers.resize(config.layers);
  WeightArena arena;
  for (std::size_t i = 0; i < config.layers; ++i) {
    AdapterLayer& layer = packed->layers[i];
    std::array<std::vector<float>, kAdapterSites> stacked;
    std::array<std::size_t, kAdapterSites> ranks{}, columns{};
    for (const LowRank& change : changes) {
      if (change.layer != i) continue;
      const auto site = static_cast<std::size_t>(site_of(change.linear));
      AdapterLayer::Expansion& linear = layer.linear[static_cast<std::size_t>(change.linear)];
      WEFT_TRY(b, pack(change.b, change.rank, level, arena));
      packed->bytes += b.size_bytes();
      linear.b.emplace(std::move(b));
      linear.first_row = ranks[site];
      ranks[site] += change.rank;
      columns[site] = change.a.size() / change.rank;
      stacked[site].insert(stacked[site].end(), change.a.begin(), change.a.end());
    }
    for (std::size_t site = 0; site < kAdapterSites; ++site) {
      if (ranks[site] == 0) continue;
      WEFT_TRY(a, pack(stacked[site], columns[site], level, arena));
      packed->bytes += a.size_bytes();
      layer.a[site].emplace(std::move(a));
      packed->site_rank_max = std::max(packed->site_rank_max, ranks[site]);
    }
  }
  return std::unique_ptr<const PackedAdapter>(std::move(packed));
}

void AdapterRows::clear() noexcept {
  groups_.clear();
  places_.clear();
}

void AdapterRows::push_back(const PackedAdapter* adapter) {
  const std::size_t row = places_.size();
  places_.emplace_back();
  if (adapter == nullptr) return;
  auto group = std::ranges::find(groups_, adapter, &Group::adapter);
  if (group == groups_.end()) group = groups_.insert(group, Group{adapter, {}});
  places_.back() = {static_cast<std::size_t>(group - groups_.begin()), group->rows.size()};
  group->rows.push_back(row);
}

}  // namespace weft::inference::cpu
