#include "inference/cpu/level.h"

#include <string>

#include "inference/cpu/kernels.h"

namespace weft::inference::cpu {
namespace {

bool supported(Level level) noexcept {
#if defined(__x86_64__)
  // The compiler's run-time checks the operating system's side (XGETBV) too.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("f16c");
  switch (level) {
    case Level::kScalar:
      return true;
    case Level::kAvx2:
      return avx2;
    case Level::kAvx512Vnni:
      return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vnni");
  }
  return false;
#else
  return level == Level::kScalar;
#endif
}

}  // namespace

std::string_view to_string(Level level) noexcept {
  switch (level) {
    case Level::kScalar:
      return "scalar";
    case Level::kAvx2:
      return "avx2";
    case Level::kAvx512Vnni:
      return "avx512vnni";
  }
  return "?";
}

Level best_level() noexcept {
  if (supported(Level::kAvx512Vnni)) return Level::kAvx512Vnni;
  return supported(Level::kAvx2) ? Level::kAvx2 : Level::kScalar;
}

Result<Level> choose_level(std::string_view name) {
  if (name.empty()) return best_level();
  for (const Level level : {Level::kScalar, Level::kAvx2, Level::kAvx512Vnni}) {
    if (name != to_string(level)) continue;
    if (supported(level)) return level;
    return Error{ErrorCode::kUnsupported, "this CPU has no " + std::string(name) +
                                              "; its best is " +
                                              std::string(to_string(best_level()))};
  }
  return Error{ErrorCode::kInvalidArgument,
               "unknown CPU level '" + std::string(name) + "'; use scalar, avx2 or avx512vnni"};
}

const Kernels& kernels(Level level) noexcept {
#if defined(__x86_64__)
  if (level == Level::kAvx512Vnni) return kAvx512VnniKernels;
  if (level == Level::kAvx2) return kAvx2Kernels;
#endif
  static_cast<void>(level);
  return kScalarKernels;
}

}  // namespace weft::inference::cpu
