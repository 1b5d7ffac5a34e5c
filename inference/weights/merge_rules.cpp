#include "inference/weights/merge_rules.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/random.h"

namespace weft::inference {
namespace {

// Positive floats are ordered as their bits are.
std::uint32_t magnitude_bits(float value) { return std::bit_cast<std::uint32_t>(std::abs(value)); }

}  // namespace

DropMask::DropMask(std::uint64_t seed, std::string_view tensor, double drop) noexcept
    : seed_(seed), stream_(Random::stream_of(tensor)), drop_(drop) {}

double DropMask::keep_or_drop(double delta, std::uint64_t place) noexcept {
  if (drop_ == 0) return delta;
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  if (const std::uint64_t block = place / words_.size(); block != block_) {
    block_ = block;
    words_ = philox4x32({low(block), high(block), low(stream_), high(stream_)},
                        {low(seed_), high(seed_)});
  }
  const double uniform = std::ldexp(static_cast<double>(words_[place % words_.size()]), -32);
  return uniform < drop_ ? 0 : delta / (1 - drop_);
}

void MagnitudeThreshold::count(std::span<const float> values) {
  for (const float value : values) ++counts_[magnitude_bits(value) >> 16];
  total_ += values.size();
}

std::size_t MagnitudeThreshold::bin_of_rank(std::uint64_t& rank) const {
  std::size_t bin = kBins - 1;
  for (; bin > 0 && counts_[bin] <= rank; --bin) rank -= counts_[bin];
  return bin;
}

void MagnitudeThreshold::choose() {
  const auto kept = static_cast<std::uint64_t>(std::ceil(density_ * static_cast<double>(total_)));
  if (kept == 0) return;
  rank_ = std::min(kept, total_) - 1;
  upper_ = static_cast<std::uint32_t>(bin_of_rank(rank_));
  std::ranges::fill(counts_, 0);
}

void MagnitudeThreshold::refine(std::span<const float> values) {
  for (const float value : values) {
    const std::uint32_t bits = magnitude_bits(value);
    if (bits >> 16 == upper_) ++counts_[bits & 0xFFFF];
  }
}

float MagnitudeThreshold::threshold() const {
  if (!upper_) return std::numeric_limits<float>::infinity();
  std::uint64_t rank = rank_;
  const auto lower = static_cast<std::uint32_t>(bin_of_rank(rank));
  return std::bit_cast<float>(*upper_ << 16 | lower);
}

int elected_sign(Deltas deltas, std::span<const double> weights) noexcept {
  double sum = 0;
  for (std::size_t k = 0; k < deltas.size(); ++k) sum += weights[k] * deltas[k];
  return sum > 0 ? 1 : sum < 0 ? -1 : 0;
}

double mean_of_sign(Deltas deltas, std::span<const double> weights, int sign) noexcept {
  double sum = 0;
  double weight = 0;
  for (std::size_t k = 0; k < deltas.size(); ++k) {
    if (deltas[k] * sign <= 0) continue;
    sum += weights[k] * deltas[k];
    weight += weights[k];
  }
  return weight == 0 ? 0 : sum / weight;
}

std::vector<double> varm_shares(std::span<const double> mean_squares) {
  const auto models = static_cast<double>(mean_squares.size());
  std::vector<double> shares(mean_squares.size(), 1 / models);
  if (std::ranges::find(mean_squares, 0.0) != mean_squares.end()) return shares;
  const double sum = std::accumulate(mean_squares.begin(), mean_squares.end(), 0.0);
  for (std::size_t k = 0; k < shares.size(); ++k) shares[k] = mean_squares[k] / sum;
  return shares;
}

}  // namespace weft::inference
