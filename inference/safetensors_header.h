#pragma once
// The JSON header of a safetensors file, parsed as it comes: only the shape that the format allows
// is taken, so nesting and numbers of a hostile header cost nothing. Private to the reader.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "inference/safetensors.h"

namespace weft::inference::safetensors {

struct Header {
  std::vector<SafetensorsTensor> tensors;  // by offset, which is still from the start of the data
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// `data_bytes` follow the header in the file.
/// Errors: kCorrupt, kUnsupported: see SafetensorsFile::open.
Result<Header> parse_header(std::string_view json, std::uint64_t data_bytes);

}  // namespace weft::inference::safetensors
