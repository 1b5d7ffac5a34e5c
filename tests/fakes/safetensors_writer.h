#pragma once
// Writes safetensors files for tests: right ones, and with a header of the test's own.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fakes/gguf_writer.h"

namespace weft::fakes {

class SafetensorsWriter {
 public:
  /// `data` follows that of the tensor before.
  void tensor(const std::string& name, const std::string& dtype,
              const std::vector<std::uint64_t>& shape, std::span<const std::byte> data);
  void floats(const std::string& name, const std::vector<std::uint64_t>& shape,
              std::span<const float> values) {
    tensor(name, "F32", shape, std::as_bytes(values));
  }

  Bytes build() const { return with_header("{" + entries_ + "}", data_); }

  /// The header's length, the header and the data, whatever they say.
  static Bytes with_header(std::string_view header, std::span<const std::byte> data);

 private:
  std::string entries_;
  Bytes data_;
};

}  // namespace weft::fakes
