#pragma once
// What SHA-256 does to each block of 64 bytes, FIPS 180-4 section 6.2.2. Private to base.

#include <array>
#include <cstddef>
#include <cstdint>

namespace weft {

inline constexpr std::size_t kSha256BlockBytes = 64;
using Sha256State = std::array<std::uint32_t, 8>;

/// Hashes `blocks` blocks at `data` into `state`.
using Sha256Blocks = void (*)(Sha256State& state, const std::byte* data, std::size_t blocks);

void sha256_blocks_plain(Sha256State& state, const std::byte* data, std::size_t blocks);
/// With the processor's SHA instructions where it has them, else the plain one.
Sha256Blocks sha256_blocks_best() noexcept;

}  // namespace weft
