#pragma once
// What decides the bits of a model's results: results, and keys and values, may be shared or
// compared bit by bit where the ids are equal, and only there.

#include <cstdint>
#include <string>

#include "base/result.h"

namespace weft::inference {

class GgufFile;

struct NumericsId {
  std::string weights;         // fingerprint() of the file
  std::string backend;         // "cpu": the same on all its levels, whose bits are equal
  std::string mode;            // what it promises and how it keeps keys and values: "exact, kv f16"
  std::uint32_t revision = 0;  // of the backend's kernels: raised when bits change
  std::string adapter = {};    // AttachedAdapter::id(); empty without one

  friend bool operator==(const NumericsId&, const NumericsId&) = default;
};

/// For people and JSON: "3f0c..., cpu, exact, kv f16, revision 1".
std::string to_string(const NumericsId& id);

/// Tells model files apart without reading all of them: 32 hex digits of the SHA-256 of the
/// metadata that isn't the tokenizer's, and of each tensor's name, type, shape and first and last
/// KiB. Copies of a file have the same. It isn't a proof against a forger: that is the SHA-256 of
/// the file. Errors: kIo.
Result<std::string> fingerprint(const GgufFile& file);

}  // namespace weft::inference
