#pragma once
// Reads a member of a Python wheel, which is a zip file.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <stop_token>
#include <string_view>

#include "base/result.h"

namespace weft::inference {

using ByteSink = std::function<Result<void>(std::span<const std::byte>)>;

struct WheelMember {
  std::string_view name_end;   // what the member's name ends with
  std::uint64_t size_max = 0;  // a larger one is an error
};

/// Passes the bytes of the first matching member to `sink`, piece by piece, and checks its CRC.
/// Returns its size. Errors: kCorrupt (no zip, cut short, wrong CRC, no such member, too large);
/// kCancelled; those of `sink`.
Result<std::uint64_t> read_wheel_member(const std::filesystem::path& wheel,
                                        const WheelMember& member, const ByteSink& sink,
                                        std::stop_token stop);

}  // namespace weft::inference
