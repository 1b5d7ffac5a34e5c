#pragma once
// SHA-256 (FIPS 180-4) of bytes that arrive in pieces, and of a file.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace weft {

/// A SHA-256, 32 bytes.
using Digest = std::array<std::byte, 32>;

class Sha256 {
 public:
  void update(std::span<const std::byte> bytes);
  /// The digest of the bytes so far; more may follow.
  Digest digest() const;
  /// The same as 64 lower-case hex digits.
  std::string hex_digest() const;

 private:
  std::array<std::uint32_t, 8> state_ = {  // section 5.3.3
      0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> begun_ = {};  // a block that isn't complete
  std::uint64_t bytes_ = 0;               // so far
};

/// `digest` as 64 lower-case hex digits.
std::string to_hex(const Digest& digest);

/// Bytes read so far and the file's size.
using HashProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// The digest of the file at `path`, read in pieces of 1 MiB. `on_progress` may be empty.
/// Errors: kNotFound, kIo, kCancelled.
Result<std::string> sha256_file(const std::filesystem::path& path,
                                const HashProgress& on_progress = {}, std::stop_token stop = {});

}  // namespace weft
