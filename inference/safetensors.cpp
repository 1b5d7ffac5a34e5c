#include "inference/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

#include "inference/read_only_file.h"
#include "inference/safetensors_header.h"

namespace weft::inference {
namespace {

constexpr std::size_t kLengthBytes = 8;          // of the header's length, little-endian
constexpr std::size_t kConvertBytes = 64 << 10;  // of values at a time
constexpr std::uint64_t kHeaderStep = 16 << 20;  // memory follows what could be read

Result<std::string> read_header(const ReadOnlyFile& file) {
  std::array<std::byte, kLengthBytes> length_bytes{};
  if (file.size_bytes() < kLengthBytes) {
    return Error{ErrorCode::kCorrupt,
                 "the file has " + std::to_string(file.size_bytes()) + " bytes; 8 begin any model"};
  }
  WEFT_TRY_VOID(file.read(0, length_bytes));
  std::uint64_t length = 0;
  std::memcpy(&length, length_bytes.data(), sizeof length);
  if (length > file.size_bytes() - kLengthBytes) {
    return Error{ErrorCode::kCorrupt, "the header is to have " + std::to_string(length) +
                                          " bytes; after its length the file has " +
                                          std::to_string(file.size_bytes() - kLengthBytes)};
  }
  if (length > kSafetensorsHeaderBytesMax) {
    return Error{ErrorCode::kResourceExhausted, "the header has " + std::to_string(length) +
                                                    " bytes, the limit is " +
                                                    std::to_string(kSafetensorsHeaderBytesMax)};
  }
  std::string header;
  while (header.size() < length) {
    const std::size_t done = header.size();
    header.resize(done + std::min(length - done, kHeaderStep));
    WEFT_TRY_VOID(
        file.read(kLengthBytes + done, std::as_writable_bytes(std::span(header).subspan(done))));
  }
  return header;
}

}  // namespace

std::uint64_t SafetensorsTensor::row_length() const noexcept {
  return shape.empty() ? 1 : shape.back();
}

std::uint64_t SafetensorsTensor::rows() const noexcept {
  std::uint64_t product = 1;
  for (std::size_t i = 0; i + 1 < shape.size(); ++i) product *= shape[i];
  return product;
}

struct SafetensorsFile::State {
  std::filesystem::path path;
  ReadOnlyFile file;
  safetensors::Header header;
  std::unordered_map<std::string_view, const SafetensorsTensor*> by_name;
};

SafetensorsFile::SafetensorsFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
SafetensorsFile::SafetensorsFile(SafetensorsFile&&) noexcept = default;
SafetensorsFile& SafetensorsFile::operator=(SafetensorsFile&&) noexcept = default;
SafetensorsFile::~SafetensorsFile() = default;

Result<SafetensorsFile> SafetensorsFile::open(const std::filesystem::path& path) {
  WEFT_TRY(file, ReadOnlyFile::open(path));
  auto text = read_header(file);
  if (!text) return std::move(text).error().with_context(path.string());
  const std::uint64_t data_start = kLengthBytes + text->size();
  auto header = safetensors::parse_header(*text, file.size_bytes() - data_start);
  if (!header) return std::move(header).error().with_context(path.string());
  for (SafetensorsTensor& tensor : header->tensors) tensor.offset += data_start;
  auto state = std::make_unique<State>(State{path, std::move(file), *std::move(header), {}});
  for (const SafetensorsTensor& tensor : state->header.tensors) {
    state->by_name.emplace(tensor.name, &tensor);
  }
  return SafetensorsFile(std::move(state));
}

const std::filesystem::path& SafetensorsFile::path() const noexcept { return state_->path; }
std::uint64_t SafetensorsFile::size_bytes() const noexcept { return state_->file.size_bytes(); }

std::span<const std::pair<std::string, std::string>> SafetensorsFile::metadata() const noexcept {
  return state_->header.metadata;
}

std::span<const SafetensorsTensor> SafetensorsFile::tensors() const noexcept {
  return state_->header.tensors;
}

const SafetensorsTensor* SafetensorsFile::tensor(std::string_view name) const noexcept {
  const auto found = state_->by_name.find(name);
  return found == state_->by_name.end() ? nullptr : found->second;
}

Result<void> SafetensorsFile::read(const SafetensorsTensor& tensor, std::uint64_t offset,
                                   std::span<std::byte> out) const {
  if (offset > tensor.size_bytes || out.size() > tensor.size_bytes - offset) {
    return Error{ErrorCode::kInvalidArgument, "bytes " + std::to_string(offset) + " to " +
                                                  std::to_string(offset + out.size()) +
                                                  " of tensor '" + tensor.name + "', which has " +
                                                  std::to_string(tensor.size_bytes)};
  }
  return state_->file.read(tensor.offset + offset, out);
}

Result<void> SafetensorsFile::read_rows(const SafetensorsTensor& tensor, std::uint64_t first,
                                        std::uint64_t count, std::span<float> out) const {
  const std::uint64_t rows = tensor.rows();
  if (first > rows || count > rows - first || out.size() != count * tensor.row_length()) {
    return Error{ErrorCode::kInvalidArgument,
                 "rows " + std::to_string(first) + " to " + std::to_string(first + count) +
                     " of tensor '" + tensor.name + "', which has " + std::to_string(rows) +
                     " of " + std::to_string(tensor.row_length()) + " values, into " +
                     std::to_string(out.size()) + " floats"};
  }
  if (!tensor.type) {
    return Error{ErrorCode::kUnsupported, "tensor '" + tensor.name + "' is " + tensor.dtype +
                                              "; F32, F16 and BF16 are read"};
  }
  const std::size_t value_bytes = block_shape(*tensor.type).bytes;
  std::uint64_t offset = tensor.offset + first * tensor.row_length() * value_bytes;
  if (*tensor.type == TensorType::kF32) {
    return state_->file.read(offset, std::as_writable_bytes(out));
  }
  std::vector<std::byte> buffer(std::min(out.size() * value_bytes, kConvertBytes));
  while (!out.empty()) {
    const std::size_t values = std::min(out.size(), kConvertBytes / value_bytes);
    const auto bytes = std::span(buffer).first(values * value_bytes);
    WEFT_TRY_VOID(state_->file.read(offset, bytes));
    dequantize(*tensor.type, bytes, out.first(values));
    offset += bytes.size();
    out = out.subspan(values);
  }
  return {};
}

}  // namespace weft::inference
