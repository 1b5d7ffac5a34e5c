#pragma once
// Which instruction set the CPU kernels use. Chosen once at run time; results are bit-identical on
// all of them (the order of fused multiply-adds is part of each format's definition).

#include <string_view>

#include "base/result.h"

namespace weft::inference::cpu {

enum class Level : unsigned char { kScalar, kAvx2, kAvx512Vnni };

std::string_view to_string(Level level) noexcept;  // "scalar", "avx2", "avx512vnni"

/// The best level that this CPU and operating system run.
Level best_level() noexcept;

/// best_level(), or the one that `name` asks for ("" = best; the caller passes WEFT_CPU).
/// Errors: kInvalidArgument for an unknown name, kUnsupported if the CPU lacks it.
Result<Level> choose_level(std::string_view name);

}  // namespace weft::inference::cpu
