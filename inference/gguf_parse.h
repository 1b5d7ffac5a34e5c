#pragma once
// Parses and checks the part of a GGUF file before the tensors' values. Private to gguf.cpp.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "base/result.h"
#include "inference/gguf_header.h"

namespace weft::inference::gguf {

struct Source {
  std::uint64_t size_bytes = 0;
  /// Fills `out` from file offset `offset` on; only asked for bytes below size_bytes.
  std::function<Result<void>(std::uint64_t offset, std::span<std::byte> out)> read;
};

/// Errors: kCorrupt, kUnsupported, kResourceExhausted; those of `source`.
Result<Header> parse(const Source& source);

}  // namespace weft::inference::gguf
