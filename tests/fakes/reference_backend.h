#pragma once
// A backend that is slow and obvious: its KV blocks hold the embedding rows that were read, and
// each step takes the whole sequence through the double-precision reference pass again.

#include <memory>

#include "inference/backend.h"

namespace weft::fakes {

std::shared_ptr<const inference::Backend> reference_backend(
    std::size_t truncate_max = inference::KvMemory::kNoLimit);

}  // namespace weft::fakes
