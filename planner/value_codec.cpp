#include "planner/value_codec.h"

#include <nlohmann/json.hpp>

namespace weft::planner {

std::vector<std::byte> encode(const Value& value) {
  std::vector<std::uint8_t> bytes = nlohmann::json::to_cbor(to_json(value));
  const auto plain = std::as_bytes(std::span(bytes));
  return {plain.begin(), plain.end()};
}

Result<Value> decode(const Type& type, std::span<const std::byte> bytes) {
  const auto* first = reinterpret_cast<const std::uint8_t*>(bytes.data());
  const nlohmann::json json =
      nlohmann::json::from_cbor(first, first + bytes.size(), /*strict=*/true,
                                /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    return Error{ErrorCode::kCorrupt, "the bytes of a value of type " + type.name + " are no CBOR"};
  }
  auto value = from_json(type, json);
  if (!value) return Error{ErrorCode::kCorrupt, std::move(value).error().message};
  return value;
}

PartsHash& PartsHash::add(std::string_view text) {
  return add(std::as_bytes(std::span(text.data(), text.size())));
}

PartsHash& PartsHash::add(std::span<const std::byte> bytes) {
  // Its length first: "ab", "c" isn't "a", "bc".
  const auto size = static_cast<std::uint64_t>(bytes.size());
  sha_.update(std::as_bytes(std::span(&size, 1)));
  sha_.update(bytes);
  return *this;
}

PartsHash& PartsHash::add(std::int64_t number) { return add(std::as_bytes(std::span(&number, 1))); }

Digest value_digest(const Type& type, std::span<const std::byte> bytes) {
  return PartsHash().add("value").add(type.name).add(bytes).digest();
}

Digest element_digest(const Digest& list, std::size_t index) {
  return PartsHash().add("element").add(list).add(static_cast<std::int64_t>(index)).digest();
}

Digest joined_digest(const Type& type, const Parts& parts) {
  PartsHash hash;
  hash.add("joined").add(type.name);
  for (const Value& value : parts.values) hash.add(value.digest());
  for (const std::int64_t index : parts.indices) hash.add(index);
  for (const Missing& missing : parts.missing) {
    hash.add(missing.index).add(to_string(missing.code)).add(missing.message);
  }
  return hash.digest();
}

}  // namespace weft::planner
