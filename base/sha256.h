#pragma once
// SHA-256 (FIPS 180-4) of bytes that arrive in pieces, and of a file.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

#include "base/result.h"

struct evp_md_ctx_st;  // OpenSSL's context

namespace weft {

/// A SHA-256, 32 bytes.
using Digest = std::array<std::byte, 32>;

class Sha256 {
 public:
  Sha256();

  void update(std::span<const std::byte> bytes);
  /// The digest of the bytes so far; more may follow.
  Digest digest() const;
  /// The same as 64 lower-case hex digits.
  std::string hex_digest() const;

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const noexcept;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
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
