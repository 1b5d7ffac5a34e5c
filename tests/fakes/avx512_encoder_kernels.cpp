// The AVX-512 encoder kernels, the same source, on an emulation of the instructions.
#define WEFT_SIMD_LEVEL 2
#define WEFT_AVX512_HEADER "tests/fakes/avx512_with_simde.h"
#include "inference/cpu/encoder_kernels_impl.h"

namespace weft::inference::cpu {

const EncoderKernels& encoder_kernels_avx512_emulated() noexcept;
const EncoderKernels& encoder_kernels_avx512_emulated() noexcept { return kEncoderKernels; }

}  // namespace weft::inference::cpu
