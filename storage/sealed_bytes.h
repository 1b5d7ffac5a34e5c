#pragma once
// Bytes that only the holder of a key can read: whoever destroys the key has destroyed all that was
// sealed with it, wherever copies lie. AES-256-GCM (NIST SP 800-38D).

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::storage {

using SealKey = std::array<std::byte, 32>;

/// From the system's random numbers. Errors: kIo if it has none.
Result<SealKey> make_seal_key();

/// 28 bytes longer than `bytes`. `place` says where they belong and must be the same at unseal().
/// Errors: kIo if the system has no random numbers; kNotFound if OpenSSL is not there.
Result<std::vector<std::byte>> seal(const SealKey& key, std::string_view place,
                                    std::span<const std::byte> bytes);

/// Errors: kCorrupt if they were changed, belong elsewhere, or were sealed with another key.
Result<std::vector<std::byte>> unseal(const SealKey& key, std::string_view place,
                                      std::span<const std::byte> sealed);

}  // namespace weft::storage
