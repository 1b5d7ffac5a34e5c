#pragma once
// Random numbers that are the same on every platform, and that need no state to hand around: each
// stream of a seed is a sequence of its own, so that a node's numbers don't depend on what ran
// before. Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"
// (Philox4x32-10).

#include <array>
#include <cstdint>
#include <string_view>

namespace weft {

/// The block of 128 bits at `counter` under `key`.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) noexcept;

/// A value: a copy goes on with the same numbers.
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0) noexcept
      : seed_(seed), stream_(stream) {}

  /// A stream for a name, such as a node's path: its FNV-1a hash.
  static std::uint64_t stream_of(std::string_view name) noexcept;

  std::uint64_t next() noexcept;                    // 64 even bits
  double uniform() noexcept;                        // in [0, 1), a multiple of 2^-53
  std::uint64_t below(std::uint64_t end) noexcept;  // in [0, end), without bias; 0 for end 0
  double normal() noexcept;                         // mean 0, variance 1
  double exponential() noexcept;                    // mean 1
  double lognormal(double sigma) noexcept;          // exp(sigma * normal()): median 1
  bool chance(double p) noexcept { return uniform() < p; }  // true with probability p

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t block_ = 0;  // the next one to make
  std::array<std::uint32_t, 4> words_{};
  std::uint32_t used_ = 4;  // of words_
};

}  // namespace weft
