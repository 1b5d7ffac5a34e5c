#pragma once
// "Did you mean": the known name closest to one that isn't known.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weft {

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`
/// (optimal string alignment), byte by byte. Time O(|a| |b|).
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate closest to `name`, case aside; nothing if none is close enough to be a typo (at
/// most a third of the name's letters wrong, at least one) or begins with it. The first of equals
/// wins.
std::optional<std::string> nearest(std::string_view name, std::span<const std::string> candidates);

/// `; did you mean "smollm2-135m"?`, or nothing: the end of an error message.
std::string did_you_mean(std::string_view name, std::span<const std::string> candidates);

}  // namespace weft
