// The AVX-512 kernels, the same source, on an emulation of the instructions: so that their bits are
// compared on CPUs that lack them.
#define WEFT_SIMD_LEVEL 2
#define WEFT_AVX512_HEADER "tests/fakes/avx512_with_simde.h"
#include "inference/cpu/vector_kernels_impl.h"

namespace weft::inference::cpu {

const VectorKernels& vector_kernels_avx512_emulated() noexcept;
const VectorKernels& vector_kernels_avx512_emulated() noexcept { return kVectorKernels; }

}  // namespace weft::inference::cpu
