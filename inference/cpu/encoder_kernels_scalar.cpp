#define WEFT_SIMD_LEVEL 0
#include "inference/cpu/encoder_kernels_impl.h"

namespace weft::inference::cpu {

const EncoderKernels& encoder_kernels_scalar() noexcept;
const EncoderKernels& encoder_kernels_scalar() noexcept { return kEncoderKernels; }

}  // namespace weft::inference::cpu
