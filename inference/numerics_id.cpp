#include "inference/numerics_id.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "inference/gguf.h"

namespace weft::inference {
namespace {

constexpr std::uint64_t kSampleBytes = 1024;
constexpr std::size_t kDigits = 32;

/// With its length before it, so that neighbours can't flow together.
void add(Sha256& hash, std::string_view text) {
  const std::uint64_t length = text.size();
  std::array<std::byte, sizeof length> bytes;
  std::memcpy(bytes.data(), &length, sizeof length);
  hash.update(bytes);
  hash.update(std::as_bytes(std::span(text)));
}

}  // namespace

std::string to_string(const NumericsId& id) {
  return id.weights + ", " + id.backend + ", " + id.mode + ", revision " +
         std::to_string(id.revision) + (id.adapter.empty() ? "" : ", adapter " + id.adapter);
}

Result<std::string> fingerprint(const GgufFile& file) {
  Sha256 hash;
  for (const std::string_view key : file.keys()) {
    if (key.starts_with("tokenizer.")) continue;
    add(hash, key);
    const auto number = file.number(key);  // exactly; a description may be rounded
    add(hash, number ? std::to_string(std::bit_cast<std::uint64_t>(*number)) : file.describe(key));
  }
  std::vector<std::byte> sample;
  for (const TensorInfo& tensor : file.tensors()) {
    add(hash, tensor.name);
    add(hash, to_string(tensor.type));
    for (const std::uint64_t dim : tensor.dims) add(hash, std::to_string(dim));
    sample.resize(std::min(kSampleBytes, tensor.size_bytes));
    for (const std::uint64_t offset : {std::uint64_t{0}, tensor.size_bytes - sample.size()}) {
      WEFT_TRY_VOID(file.read(tensor, offset, sample));
      hash.update(sample);
    }
  }
  return hash.hex_digest().substr(0, kDigits);
}

}  // namespace weft::inference
