#pragma once
// The part of a GGUF file before the tensors' values, kept as it lies in the file with an index of
// its keys and tensors. Made by gguf_parse.h; private to gguf.cpp.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "inference/gguf.h"

namespace weft::inference::gguf {

enum class ValueType : std::uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

inline constexpr std::uint32_t kValueTypes = 13;  // ids below this are types

std::string_view to_string(ValueType type) noexcept;
std::size_t fixed_size(ValueType type) noexcept;  // bytes of a value; 0 for strings and arrays

/// A key and where its value lies: all offsets are from the start of the file.
struct Entry {
  std::uint64_t key_offset;
  std::uint64_t value_offset;  // of the first element of an array
  std::uint64_t count;         // elements of an array, else 1
  std::uint32_t key_length;
  ValueType type;  // of an array's elements, if is_array
  bool is_array;
};

struct Header {
  std::uint32_t version = 0;
  std::vector<std::byte> bytes;  // of the file, from its start to past the last tensor info
  std::vector<Entry> entries;    // in file order
  std::vector<std::uint32_t> entries_by_key;
  std::vector<TensorInfo> tensors;  // in file order
  std::vector<std::uint32_t> tensors_by_name;

  std::string_view key(const Entry& entry) const noexcept;
  const Entry* find(std::string_view key) const noexcept;
  const TensorInfo* find_tensor(std::string_view name) const noexcept;

  /// The bytes [offset, offset + size), which parse() found to be there.
  std::span<const std::byte> at(std::uint64_t offset, std::uint64_t size) const noexcept;
  /// The string whose length lies at `offset`; `offset` moves past it.
  std::string_view string_at(std::uint64_t& offset) const noexcept;
};

}  // namespace weft::inference::gguf
