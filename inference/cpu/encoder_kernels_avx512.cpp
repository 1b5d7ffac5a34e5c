#define WEFT_SIMD_LEVEL 2
#include "inference/cpu/encoder_kernels_impl.h"

namespace weft::inference::cpu {

const EncoderKernels& encoder_kernels_avx512() noexcept;
const EncoderKernels& encoder_kernels_avx512() noexcept { return kEncoderKernels; }

}  // namespace weft::inference::cpu
