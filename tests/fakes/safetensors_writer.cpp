#include "tests/fakes/safetensors_writer.h"

namespace weft::fakes {

void SafetensorsWriter::tensor(const std::string& name, const std::string& dtype,
                               const std::vector<std::uint64_t>& shape,
                               std::span<const std::byte> data) {
  std::string dims;
  for (const std::uint64_t dim : shape) dims += (dims.empty() ? "" : ",") + std::to_string(dim);
  const std::size_t end = data_.size() + data.size();
  entries_ += (entries_.empty() ? "\"" : ",\"") + name + "\":{\"dtype\":\"" + dtype +
              "\",\"shape\":[" + dims + "],\"data_offsets\":[" + std::to_string(data_.size()) +
              "," + std::to_string(end) + "]}";
  data_.insert(data_.end(), data.begin(), data.end());
}

Bytes SafetensorsWriter::with_header(std::string_view header, std::span<const std::byte> data) {
  Bytes bytes;
  append(bytes, header);  // its length as u64, then itself
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

}  // namespace weft::fakes
