#include "tests/fakes/gguf_writer.h"

#include <fstream>
#include <stdexcept>

namespace weft::fakes {
namespace {

constexpr std::uint32_t kI32 = 5;
constexpr std::uint32_t kF32 = 6;
constexpr std::uint32_t kString = 8;
constexpr std::uint32_t kArray = 9;

const std::vector<GgufField> kArrayFields = {{0, 4}, {4, 8}};  // element type, count

Bytes array_of(std::uint32_t type_id, std::size_t count) {
  Bytes payload;
  append(payload, type_id);
  append(payload, std::uint64_t{count});
  return payload;
}

std::size_t padding(std::size_t size, std::size_t alignment) {
  return (alignment - size % alignment) % alignment;
}

// Appends numbers to a file and remembers where they stand.
class Output {
 public:
  template <typename T>
  void field(T value) {
    file.fields.push_back({file.bytes.size(), sizeof value});
    append(file.bytes, value);
  }
  void string(std::string_view text) {
    file.fields.push_back({file.bytes.size(), 8});
    append(file.bytes, text);
  }

  GgufWriter::File file;
};

}  // namespace

void append(Bytes& bytes, std::string_view text) {
  append(bytes, std::uint64_t{text.size()});
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  bytes.insert(bytes.end(), first, first + text.size());
}

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("can't write " + path.string());
}

void GgufWriter::string(std::string_view key, std::string_view value) {
  Bytes payload;
  append(payload, value);
  raw(key, kString, std::move(payload), {{0, 8}});
}

void GgufWriter::strings(std::string_view key, std::span<const std::string> values) {
  Bytes payload = array_of(kString, values.size());
  auto fields = kArrayFields;
  for (const std::string& value : values) {
    fields.push_back({payload.size(), 8});
    append(payload, value);
  }
  raw(key, kArray, std::move(payload), std::move(fields));
}

void GgufWriter::i32s(std::string_view key, std::span<const std::int32_t> values) {
  Bytes payload = array_of(kI32, values.size());
  for (const std::int32_t value : values) append(payload, value);
  raw(key, kArray, std::move(payload), kArrayFields);
}

void GgufWriter::f32s(std::string_view key, std::span<const float> values) {
  Bytes payload = array_of(kF32, values.size());
  for (const float value : values) append(payload, value);
  raw(key, kArray, std::move(payload), kArrayFields);
}

void GgufWriter::raw(std::string_view key, std::uint32_t type_id, Bytes payload,
                     std::vector<GgufField> fields) {
  entries_.push_back({std::string(key), type_id, std::move(payload), std::move(fields)});
}

GgufWriter::File GgufWriter::build() const {
  Output out;
  out.field(magic);
  out.field(version);
  out.field(tensor_count.value_or(tensors_.size()));
  out.field(entry_count.value_or(entries_.size()));
  Bytes& bytes = out.file.bytes;
  for (const Entry& entry : entries_) {
    out.string(entry.key);
    out.field(entry.type_id);
    for (const GgufField& field : entry.fields) {
      out.file.fields.push_back({bytes.size() + field.offset, field.size});
    }
    bytes.insert(bytes.end(), entry.payload.begin(), entry.payload.end());
  }
  std::uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    out.string(tensor.name);
    out.field(tensor.dim_count.value_or(static_cast<std::uint32_t>(tensor.dims.size())));
    for (const std::uint64_t dim : tensor.dims) out.field(dim);
    out.field(tensor.type_id);
    out.field(tensor.offset.value_or(offset));
    offset += tensor.data.size() + padding(tensor.data.size(), alignment);
  }
  if (!tensors_.empty()) bytes.resize(bytes.size() + padding(bytes.size(), alignment));
  for (const Tensor& tensor : tensors_) {
    bytes.insert(bytes.end(), tensor.data.begin(), tensor.data.end());
    if (&tensor != &tensors_.back() || pads_the_end) {
      bytes.resize(bytes.size() + padding(tensor.data.size(), alignment));
    }
  }
  return std::move(out.file);
}

}  // namespace weft::fakes
