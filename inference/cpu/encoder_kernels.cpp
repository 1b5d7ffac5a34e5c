#include "inference/cpu/encoder_kernels.h"

namespace weft::inference::cpu {

const EncoderKernels& encoder_kernels_scalar() noexcept;
#if defined(__x86_64__)
const EncoderKernels& encoder_kernels_avx2() noexcept;
const EncoderKernels& encoder_kernels_avx512() noexcept;
#endif

std::size_t encoder_scratch_floats(std::size_t tokens, std::size_t head_width) noexcept {
  const std::size_t padded = (tokens + kEncoderStep - 1) / kEncoderStep * kEncoderStep;
  return 2 * padded * head_width + kEncoderQueriesMax * (padded + head_width);
}

const EncoderKernels& encoder_kernels(Level level) noexcept {
  switch (level) {
#if defined(__x86_64__)
    case Level::kAvx2:
      return encoder_kernels_avx2();
    case Level::kAvx512Vnni:
      return encoder_kernels_avx512();
#endif
    default:
      return encoder_kernels_scalar();
  }
}

}  // namespace weft::inference::cpu
