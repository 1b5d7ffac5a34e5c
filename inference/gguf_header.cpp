#include "inference/gguf_header.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

namespace weft::inference::gguf {
namespace {

constexpr std::array<std::string_view, kValueTypes> kValueTypeNames = {
    "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"};
constexpr std::array<std::size_t, kValueTypes> kValueTypeSizes = {1, 1, 2, 2, 4, 4, 4,
                                                                  1, 0, 0, 8, 8, 8};

}  // namespace

std::string_view to_string(ValueType type) noexcept {
  return kValueTypeNames[static_cast<std::size_t>(type)];
}

std::size_t fixed_size(ValueType type) noexcept {
  return kValueTypeSizes[static_cast<std::size_t>(type)];
}

std::string_view Header::key(const Entry& entry) const noexcept {
  const auto text = at(entry.key_offset, entry.key_length);
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

const Entry* Header::find(std::string_view name) const noexcept {
  const auto key_of = [this](std::uint32_t i) { return key(entries[i]); };
  const auto found = std::ranges::lower_bound(entries_by_key, name, {}, key_of);
  return found != entries_by_key.end() && key_of(*found) == name ? &entries[*found] : nullptr;
}

const TensorInfo* Header::find_tensor(std::string_view name) const noexcept {
  const auto name_of = [this](std::uint32_t i) -> std::string_view { return tensors[i].name; };
  const auto found = std::ranges::lower_bound(tensors_by_name, name, {}, name_of);
  return found != tensors_by_name.end() && name_of(*found) == name ? &tensors[*found] : nullptr;
}

std::span<const std::byte> Header::at(std::uint64_t offset, std::uint64_t size) const noexcept {
  assert(offset <= bytes.size() && size <= bytes.size() - offset);
  return std::span(bytes).subspan(offset, size);
}

std::string_view Header::string_at(std::uint64_t& offset) const noexcept {
  std::uint64_t length = 0;
  std::memcpy(&length, at(offset, sizeof length).data(), sizeof length);
  const auto text = at(offset + sizeof length, length);
  offset += sizeof length + length;
  return {reinterpret_cast<const char*>(text.data()), text.size()};
}

}  // namespace weft::inference::gguf
