#pragma once
// A backend that counts the KV blocks that are alive.

#include <atomic>
#include <memory>

#include "inference/backend.h"

namespace weft::fakes {

/// `backend`, whose runners count into `alive`.
std::shared_ptr<const inference::Backend> counting_backend(
    std::shared_ptr<const inference::Backend> backend,
    std::shared_ptr<std::atomic<std::size_t>> alive);

}  // namespace weft::fakes
