#pragma once
// Writes GGUF files that have metadata and no tensors, for tests of what reads the metadata.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace weft::inference {

class GgufMetadata {
 public:
  void add(std::string_view key, std::string_view value) {
    begin(key, kString);
    put_string(value);
  }
  void add(std::string_view key, const std::vector<std::string>& values) {
    begin_array(key, kString, values.size());
    for (const std::string& value : values) put_string(value);
  }
  void add(std::string_view key, const std::vector<std::int32_t>& values) {
    begin_array(key, kInt32, values.size());
    for (const std::int32_t value : values) put(static_cast<std::uint32_t>(value), 4);
  }
  void add_number(std::string_view key, std::uint32_t value) {
    begin(key, kUint32);
    put(value, 4);
  }
  void add_boolean(std::string_view key, bool value) {
    begin(key, kBool);
    put(value ? 1 : 0, 1);
  }

  void write(const std::filesystem::path& path) const {
    GgufMetadata header;
    header.bytes_ = "GGUF";
    header.put(3, 4);
    header.put(0, 8);
    header.put(pairs_, 8);
    std::string file = header.bytes_ + bytes_;
    file.resize((file.size() + 31) / 32 * 32);
    std::ofstream(path, std::ios::binary) << file;
  }

 private:
  static constexpr std::uint32_t kUint32 = 4;
  static constexpr std::uint32_t kInt32 = 5;
  static constexpr std::uint32_t kBool = 7;
  static constexpr std::uint32_t kString = 8;
  static constexpr std::uint32_t kArray = 9;

  void put(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes_ += static_cast<char>(value >> (8 * i));
  }
  void put_string(std::string_view text) {
    put(text.size(), 8);
    bytes_ += text;
  }
  void begin(std::string_view key, std::uint32_t type) {
    ++pairs_;
    put_string(key);
    put(type, 4);
  }
  void begin_array(std::string_view key, std::uint32_t type, std::size_t size) {
    begin(key, kArray);
    put(type, 4);
    put(size, 8);
  }

  std::string bytes_;
  std::uint64_t pairs_ = 0;
};

}  // namespace weft::inference
