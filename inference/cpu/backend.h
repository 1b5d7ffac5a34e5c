#pragma once
// The CPU as a backend: weights repacked for its level, keys and values in fp16 or q8_0, steps on a
// pool of threads. Bits are equal on all levels, for any number of threads and any batch.

#include <memory>

#include "inference/backend.h"
#include "inference/cpu/level.h"
#include "inference/cpu/thread_pool.h"

namespace weft::inference::cpu {

/// The CPU must run `level`. What is loaded shares the pool.
std::shared_ptr<const Backend> make_backend(Level level, std::shared_ptr<ThreadPool> pool,
                                            KvType kv = KvType::kF16);

}  // namespace weft::inference::cpu
