// The AVX-512 kernels as they stand, through SIMDe: their logic is tested on CPUs without AVX-512.
#define WEFT_AVX512_HEADER "tests/fakes/avx512_with_simde.h"
#define kAvx512VnniKernels kAvx512EmulatedKernels
#include "inference/cpu/kernels_avx512vnni.cpp"
