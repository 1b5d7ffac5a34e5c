#pragma once
// What a machine allows, measured: how fast it reads memory, which bounds decoding, and how fast
// it multiplies, which bounds prefill.

#include <cstddef>
#include <functional>
#include <optional>
#include <stop_token>

#include "base/result.h"
#include "inference/cpu/level.h"
#include "inference/cpu/multiply_peak.h"

namespace weft::inference::cpu {

/// Seconds that `work` takes on `threads` threads: the best of many short runs, so that some fall
/// between what else the machine does. With one thread its own CPU time counts, which leaves that
/// out altogether.
double best_seconds(std::size_t threads, const std::function<void()>& work);

/// Bytes a second that `threads` threads read together from 256 MiB in huge pages. Takes about a
/// second. Errors: kResourceExhausted if the memory can't be had; kCancelled.
Result<double> read_bytes_per_s(std::size_t threads, std::stop_token stop = {});

/// Multiply-adds a second of `threads` threads that run nothing but the multiplies of a block
/// product, with everything in the first-level cache. None for the scalar level, whose instructions
/// are the compiler's choice.
std::optional<double> macs_per_s(Level level, std::size_t threads,
                                 WeightBits bits = WeightBits::k6);

}  // namespace weft::inference::cpu
