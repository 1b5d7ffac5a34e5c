#pragma once
// Writes GGUF files for tests, deliberately broken ones too: every number that a reader must not
// believe can be set apart from what is really written.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace weft::fakes {

using Bytes = std::vector<std::byte>;

/// Appends a number as it lies in memory: little-endian.
template <typename T>
  requires std::is_arithmetic_v<T>
void append(Bytes& bytes, T value) {
  const std::size_t end = bytes.size();
  bytes.resize(end + sizeof value);
  std::memcpy(bytes.data() + end, &value, sizeof value);
}

void append(Bytes& bytes, std::string_view text);  // its length as u64, then the bytes

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes);

/// Where a number stands that tells a reader how much to read, or how.
struct GgufField {
  std::size_t offset;
  std::size_t size;  // 4 or 8 bytes
};

class GgufWriter {
 public:
  // The header as it is written; counts are the true ones unless set.
  std::uint32_t magic = 0x46554747;
  std::uint32_t version = 3;
  std::optional<std::uint64_t> tensor_count;
  std::optional<std::uint64_t> entry_count;
  std::size_t alignment = 32;  // that the data is laid out with; the key is the caller's to add
  bool pads_the_end = true;    // after the last tensor too, as the common writers do

  void u32(std::string_view key, std::uint32_t value) { scalar(key, 4, value); }
  void i32(std::string_view key, std::int32_t value) { scalar(key, 5, value); }
  void f32(std::string_view key, float value) { scalar(key, 6, value); }
  void boolean(std::string_view key, bool value) { scalar(key, 7, value); }
  void string(std::string_view key, std::string_view value);
  void strings(std::string_view key, std::span<const std::string> values);
  void i32s(std::string_view key, std::span<const std::int32_t> values);
  void f32s(std::string_view key, std::span<const float> values);

  /// A number under any type id.
  template <typename T>
  void scalar(std::string_view key, std::uint32_t type_id, T value) {
    Bytes payload;
    append(payload, value);
    raw(key, type_id, std::move(payload));
  }
  /// Any bytes under any type id.
  void raw(std::string_view key, std::uint32_t type_id, Bytes payload,
           std::vector<GgufField> fields = {});

  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dims;
    std::uint32_t type_id = 0;
    Bytes data;
    std::optional<std::uint64_t> offset = {};     // in place of the true one
    std::optional<std::uint32_t> dim_count = {};  // likewise
  };
  void tensor(Tensor tensor) { tensors_.push_back(std::move(tensor)); }

  struct File {
    Bytes bytes;
    std::vector<GgufField> fields;  // counts, lengths, type ids, dims, offsets: in file order
  };
  File build() const;

 private:
  struct Entry {
    std::string key;
    std::uint32_t type_id;
    Bytes payload;
    std::vector<GgufField> fields;  // within the payload
  };
  std::vector<Entry> entries_;
  std::vector<Tensor> tensors_;
};

}  // namespace weft::fakes
