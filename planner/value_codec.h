#pragma once
// Values as bytes, and what identifies them: for a trace, which outlives the process.

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "planner/value.h"

namespace weft::planner {

/// The value's JSON as CBOR (RFC 8949), which keeps every number and byte.
std::vector<std::byte> encode(const Value& value);
/// Errors: kCorrupt if the bytes are no such value.
Result<Value> decode(const Type& type, std::span<const std::byte> bytes);

/// A hash of several parts: no two different sequences of parts give the same bytes to hash.
class PartsHash {
 public:
  PartsHash& add(std::string_view text);
  PartsHash& add(std::span<const std::byte> bytes);
  PartsHash& add(const Digest& digest) { return add(std::span<const std::byte>(digest)); }
  PartsHash& add(std::int64_t number);
  Digest digest() const { return sha_.digest(); }

 private:
  Sha256 sha_;
};

/// Of a value that was encoded to `bytes`.
Digest value_digest(const Type& type, std::span<const std::byte> bytes);
/// Of element `index` of a list, and of a list that was made of elements: from their digests alone.
Digest element_digest(const Digest& list, std::size_t index);
Digest joined_digest(const Type& type, const Parts& parts);

}  // namespace weft::planner
