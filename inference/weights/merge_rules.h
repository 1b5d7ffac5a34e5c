#pragma once
// What merging does to the values of one tensor, apart from where they come from. All sums are in
// double, in the order of the models, so that a result depends on neither the sizes of pieces nor
// on threads. Sources: Ilharco et al. 2023 (task arithmetic); Yadav et al. 2023 (TIES), section 3;
// Yu et al. 2024 (DARE), section 3; Wan et al. 2024 (FuseChat), section 3.3 (VaRM).

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace weft::inference {

/// The differences to the base of each model at one place.
using Deltas = std::span<const double>;

/// DARE: each difference is dropped with probability `drop`, and the others divided by 1 - drop, so
/// that the expectation stays. Which, follows from seed, tensor and place alone.
class DropMask {
 public:
  DropMask(std::uint64_t seed, std::string_view tensor, double drop) noexcept;

  double keep_or_drop(double delta, std::uint64_t place) noexcept;

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
  double drop_;
  std::uint64_t block_ = ~std::uint64_t{0};  // that words_ are of
  std::array<std::uint32_t, 4> words_{};
};

/// TIES' trimming: the smallest magnitude among the ceil(density * count) largest, found by
/// counting in two passes, with 512 KiB of memory for any number of values.
class MagnitudeThreshold {
 public:
  explicit MagnitudeThreshold(double density) : density_(density), counts_(kBins) {}

  void count(std::span<const float> values);   // the first pass, over all values
  void choose();                               // between the passes
  void refine(std::span<const float> values);  // the second pass, over the same values
  /// |values| at least this are kept; all equal to it are. Infinity if none is kept.
  float threshold() const;

 private:
  static constexpr std::size_t kBins = std::size_t{1} << 16;
  std::size_t bin_of_rank(std::uint64_t& rank) const;

  double density_;
  std::vector<std::uint64_t> counts_;  // by the upper, then by the lower half of the bits
  std::uint64_t total_ = 0;
  std::uint64_t rank_ = 0;  // of the wanted value in its bin, from the largest
  std::optional<std::uint32_t> upper_;
};

/// TIES' election: the sign of the weighted sum; 0 if that is 0.
int elected_sign(Deltas deltas, std::span<const double> weights) noexcept;
/// The weighted mean of the differences that have this sign; 0 if none has.
double mean_of_sign(Deltas deltas, std::span<const double> weights, int sign) noexcept;

/// VaRM: each model's share, proportional to its mean square distance from the pivot; equal shares
/// if one of them is 0.
std::vector<double> varm_shares(std::span<const double> mean_squares);

}  // namespace weft::inference
