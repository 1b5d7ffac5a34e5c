#pragma once
// Fetching packed weights while those before them meet the rows. Unpacking comes in bursts, which
// would wait for memory line after line; the tiles between them hardly read any. Where even the
// largest tile isn't full, unpacking is most of the work and reads as fast by itself.

#include <cstddef>
#include <cstdint>

#include "inference/cpu/lanes.h"

namespace weft::inference::cpu {
namespace {

// Not measured on AVX-512; the scalar level doesn't read fast enough to wait.
constexpr bool kFetchesAhead = WEFT_SIMD_LEVEL == 1;
constexpr std::size_t kLine = 64;

/// What a tile fetches, evenly over its blocks.
class Fetch {
 public:
  Fetch() = default;
  Fetch(const std::uint8_t* from, std::size_t block_lines) : at_(from), block_lines_(block_lines) {}

  WEFT_INLINE void next_block() {
    if constexpr (kFetchesAhead) {
      for (std::size_t i = 0; i < block_lines_; ++i, at_ += kLine) __builtin_prefetch(at_);
    }
  }

 private:
  const std::uint8_t* at_ = nullptr;
  std::size_t block_lines_ = 0;
};

/// The weights of some neighbouring groups, a piece of each, as shares for the tiles that come
/// before.
class FetchAhead {
 public:
  struct Pieces {
    const std::uint8_t* first;
    std::size_t bytes;   // of one
    std::size_t stride;  // to the next, in bytes
    std::size_t count;
  };

  /// `tiles` of `blocks` blocks are to come; the first half of them fetches all.
  FetchAhead(const Pieces& pieces, std::size_t tiles, std::size_t blocks)
      : pieces_(pieces), blocks_(blocks) {
    if (pieces.bytes == pieces.stride) {
      pieces_.bytes *= pieces.count;
      pieces_.count = 1;
    }
    lines_ = (2 * pieces_.bytes * pieces_.count / kLine + tiles * blocks) / (tiles * blocks);
  }

  /// That of the next tile.
  Fetch next() {
    if (!kFetchesAhead || pieces_.count == 0) return {};
    const std::size_t left = (pieces_.bytes - done_ + blocks_ * kLine - 1) / (blocks_ * kLine);
    const Fetch share(pieces_.first + done_, left < lines_ ? left : lines_);
    done_ += lines_ * blocks_ * kLine;
    if (done_ >= pieces_.bytes) {
      done_ = 0;
      pieces_.first += pieces_.stride;
      --pieces_.count;
    }
    return share;
  }

 private:
  Pieces pieces_;  // those that are left
  std::size_t blocks_;
  std::size_t lines_;     // a block
  std::size_t done_ = 0;  // bytes of the first piece
};

}  // namespace
}  // namespace weft::inference::cpu
