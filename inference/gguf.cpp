#include "inference/gguf.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>
#include <variant>

#include "inference/gguf_parse.h"
#include "inference/read_only_file.h"

namespace weft::inference {
namespace {

using gguf::Entry;
using gguf::ValueType;

constexpr std::size_t kDequantizeBytes = 64 << 10;  // of blocks at a time
constexpr std::size_t kShownBytesMax = 200;         // of a string, in describe()
constexpr std::uint64_t kShownElementsMax = 5;

// A scalar or an array's element. The format's integers fit one of the first two.
using Scalar = std::variant<std::uint64_t, std::int64_t, double, bool>;

template <typename T>
T load(std::span<const std::byte> bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

Scalar load_scalar(ValueType type, std::span<const std::byte> bytes) {
  switch (type) {
    case ValueType::kU8:
      return std::uint64_t{load<std::uint8_t>(bytes)};
    case ValueType::kI8:
      return std::int64_t{load<std::int8_t>(bytes)};
    case ValueType::kU16:
      return std::uint64_t{load<std::uint16_t>(bytes)};
    case ValueType::kI16:
      return std::int64_t{load<std::int16_t>(bytes)};
    case ValueType::kU32:
      return std::uint64_t{load<std::uint32_t>(bytes)};
    case ValueType::kI32:
      return std::int64_t{load<std::int32_t>(bytes)};
    case ValueType::kF32:
      return double{load<float>(bytes)};
    case ValueType::kBool:
      return load<std::uint8_t>(bytes) != 0;
    case ValueType::kU64:
      return load<std::uint64_t>(bytes);
    case ValueType::kI64:
      return load<std::int64_t>(bytes);
    case ValueType::kF64:
      return load<double>(bytes);
    case ValueType::kString:
    case ValueType::kArray:
      break;  // the callers keep these away
  }
  return std::uint64_t{0};
}

bool is_integer(ValueType type) {
  return gguf::fixed_size(type) != 0 && type != ValueType::kBool && type != ValueType::kF32 &&
         type != ValueType::kF64;
}

std::string type_name(const Entry& entry) {
  const std::string name(gguf::to_string(entry.type));
  return entry.is_array ? "[" + name + " x " + std::to_string(entry.count) + "]" : name;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// For a terminal: no control characters, so that a file can't steer it; other UTF-8 stays.
std::string printable(std::string_view text) {
  std::size_t end = std::min(text.size(), kShownBytesMax);
  while (end < text.size() && end > 0 && is_continuation(text[end])) --end;
  std::string shown;
  for (std::size_t i = 0; i < end; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F, two bytes of UTF-8 from 0xC2 on, are control characters too.
    const bool is_c1 =
        byte == 0xC2 && i + 1 < end && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    const bool ends_c1 = i > 0 && text[i - 1] == '\xC2' && byte >= 0x80 && byte < 0xA0;
    if (text[i] == '\n') {
      shown += "\\n";
    } else if (byte < 0x20 || byte == 0x7F || is_c1 || ends_c1) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02X", byte);
      shown += escape;
    } else {
      shown += text[i];
    }
  }
  return shown + (end < text.size() ? "..." : "");
}

std::string show(const Scalar& scalar) {
  if (const auto* number = std::get_if<std::uint64_t>(&scalar)) return std::to_string(*number);
  if (const auto* number = std::get_if<std::int64_t>(&scalar)) return std::to_string(*number);
  if (const auto* truth = std::get_if<bool>(&scalar)) return *truth ? "true" : "false";
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", std::get<double>(scalar));
  return text;
}

}  // namespace

std::uint64_t TensorInfo::rows() const noexcept {
  std::uint64_t product = 1;
  for (std::size_t i = 1; i < dims.size(); ++i) product *= dims[i];
  return product;
}

struct GgufFile::State {
  std::filesystem::path path;
  ReadOnlyFile file;
  gguf::Header header;

  Result<const Entry*> entry(std::string_view key) const {
    if (const Entry* found = header.find(key)) return found;
    return Error{ErrorCode::kNotFound,
                 path.string() + ": the metadata has no key '" + std::string(key) + "'"};
  }

  Error wrong_type(const Entry& entry, std::string_view wanted) const {
    return Error{ErrorCode::kCorrupt, path.string() + ": key '" + std::string(header.key(entry)) +
                                          "' is stored as " + type_name(entry) + ", not as " +
                                          std::string(wanted) + " (byte " +
                                          std::to_string(entry.value_offset) + ")"};
  }

  Scalar scalar(const Entry& entry, std::uint64_t i = 0) const {
    const std::size_t size = gguf::fixed_size(entry.type);
    return load_scalar(entry.type, header.at(entry.value_offset + i * size, size));
  }
};

GgufFile::GgufFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
GgufFile::GgufFile(GgufFile&&) noexcept = default;
GgufFile& GgufFile::operator=(GgufFile&&) noexcept = default;
GgufFile::~GgufFile() = default;

Result<GgufFile> GgufFile::open(const std::filesystem::path& path) {
  WEFT_TRY(file, ReadOnlyFile::open(path));
  auto header =
      gguf::parse({file.size_bytes(), [&](std::uint64_t offset, std::span<std::byte> out) {
                     return file.read(offset, out);
                   }});
  if (!header) return std::move(header).error().with_context(path.string());
  return GgufFile(std::make_unique<State>(State{path, std::move(file), *std::move(header)}));
}

const std::filesystem::path& GgufFile::path() const noexcept { return state_->path; }
std::uint32_t GgufFile::version() const noexcept { return state_->header.version; }
std::uint64_t GgufFile::size_bytes() const noexcept { return state_->file.size_bytes(); }

bool GgufFile::has(std::string_view key) const noexcept {
  return state_->header.find(key) != nullptr;
}

std::vector<std::string_view> GgufFile::keys() const {
  std::vector<std::string_view> keys;
  for (const Entry& entry : state_->header.entries) keys.push_back(state_->header.key(entry));
  return keys;
}

std::span<const std::byte> GgufFile::encoded(std::string_view key) const noexcept {
  const Entry* entry = state_->header.find(key);
  if (entry == nullptr) return {};
  const std::uint64_t start = entry->key_offset - sizeof(std::uint64_t);  // of the key's length
  std::uint64_t end = entry->value_offset;
  if (entry->type == ValueType::kString) {
    for (std::uint64_t i = 0; i < entry->count; ++i) state_->header.string_at(end);
  } else {
    end += entry->count * gguf::fixed_size(entry->type);
  }
  return state_->header.at(start, end - start);
}

std::string GgufFile::describe(std::string_view key) const {
  const Entry* entry = state_->header.find(key);
  if (entry == nullptr) return "";
  std::string text = entry->is_array ? type_name(*entry) : "";
  std::uint64_t offset = entry->value_offset;
  for (std::uint64_t i = 0; i < std::min(entry->count, kShownElementsMax); ++i) {
    if (entry->is_array) text += i == 0 ? " " : ", ";
    text += entry->type == ValueType::kString ? printable(state_->header.string_at(offset))
                                              : show(state_->scalar(*entry, i));
  }
  return text + (entry->count > kShownElementsMax ? ", ..." : "");
}

Result<std::uint64_t> GgufFile::unsigned_integer(std::string_view key) const {
  WEFT_TRY(entry, state_->entry(key));
  if (entry->is_array || !is_integer(entry->type)) {
    return state_->wrong_type(*entry, "an integer");
  }
  const Scalar scalar = state_->scalar(*entry);
  if (const auto* value = std::get_if<std::uint64_t>(&scalar)) return *value;
  const std::int64_t value = std::get<std::int64_t>(scalar);
  if (value < 0) {
    return state_->wrong_type(*entry, "an integer of zero or more: " + std::to_string(value));
  }
  return static_cast<std::uint64_t>(value);
}

Result<double> GgufFile::number(std::string_view key) const {
  WEFT_TRY(entry, state_->entry(key));
  if (entry->is_array || gguf::fixed_size(entry->type) == 0 || entry->type == ValueType::kBool) {
    return state_->wrong_type(*entry, "a number");
  }
  return std::visit([](auto value) { return static_cast<double>(value); }, state_->scalar(*entry));
}

Result<bool> GgufFile::boolean(std::string_view key) const {
  WEFT_TRY(entry, state_->entry(key));
  if (entry->is_array || entry->type != ValueType::kBool) {
    return state_->wrong_type(*entry, "a bool");
  }
  return std::get<bool>(state_->scalar(*entry));
}

Result<std::string_view> GgufFile::string(std::string_view key) const {
  WEFT_TRY(entry, state_->entry(key));
  if (entry->is_array || entry->type != ValueType::kString) {
    return state_->wrong_type(*entry, "a string");
  }
  std::uint64_t offset = entry->value_offset;
  return state_->header.string_at(offset);
}

Result<std::vector<std::string_view>> GgufFile::strings(std::string_view key) const {
  WEFT_TRY(entry, state_->entry(key));
  if (!entry->is_array || entry->type != ValueType::kString) {
    return state_->wrong_type(*entry, "an array of strings");
  }
  std::vector<std::string_view> strings(entry->count);
  std::uint64_t offset = entry->value_offset;
  for (std::string_view& string : strings) string = state_->header.string_at(offset);
  return strings;
}

Result<std::vector<float>> GgufFile::floats(std::string_view key) const {
  WEFT_TRY(entry, state_->entry(key));
  if (!entry->is_array || (entry->type != ValueType::kF32 && entry->type != ValueType::kF64)) {
    return state_->wrong_type(*entry, "an array of floats");
  }
  std::vector<float> floats(entry->count);
  for (std::uint64_t i = 0; i < entry->count; ++i) {
    floats[i] = static_cast<float>(std::get<double>(state_->scalar(*entry, i)));
  }
  return floats;
}

Result<std::vector<std::int64_t>> GgufFile::integers(std::string_view key) const {
  WEFT_TRY(entry, state_->entry(key));
  if (!entry->is_array || !is_integer(entry->type)) {
    return state_->wrong_type(*entry, "an array of integers");
  }
  std::vector<std::int64_t> integers(entry->count);
  for (std::uint64_t i = 0; i < entry->count; ++i) {
    const Scalar scalar = state_->scalar(*entry, i);
    const auto* large = std::get_if<std::uint64_t>(&scalar);
    if (large != nullptr && *large > std::numeric_limits<std::int64_t>::max()) {
      return state_->wrong_type(*entry, "an array of 63-bit integers");
    }
    integers[i] =
        large != nullptr ? static_cast<std::int64_t>(*large) : std::get<std::int64_t>(scalar);
  }
  return integers;
}

void GgufFile::forget_metadata() noexcept {
  gguf::Header& header = state_->header;
  // Not "= {}", which keeps their memory.
  header.bytes = std::vector<std::byte>();
  header.entries = std::vector<Entry>();
  header.entries_by_key = std::vector<std::uint32_t>();
}

std::span<const TensorInfo> GgufFile::tensors() const noexcept { return state_->header.tensors; }

const TensorInfo* GgufFile::tensor(std::string_view name) const noexcept {
  return state_->header.find_tensor(name);
}

Result<void> GgufFile::read(const TensorInfo& tensor, std::uint64_t offset,
                            std::span<std::byte> out) const {
  if (offset > tensor.size_bytes || out.size() > tensor.size_bytes - offset) {
    return Error{ErrorCode::kInvalidArgument, "bytes " + std::to_string(offset) + " to " +
                                                  std::to_string(offset + out.size()) +
                                                  " of tensor '" + tensor.name + "', which has " +
                                                  std::to_string(tensor.size_bytes)};
  }
  auto result = state_->file.read(tensor.offset + offset, out);
  if (!result) return std::move(result).error().with_context(state_->path.string());
  return {};
}

Result<void> GgufFile::read_rows(const TensorInfo& tensor, std::uint64_t first, std::uint64_t count,
                                 std::span<float> out) const {
  const std::uint64_t rows = tensor.rows();
  if (first > rows || count > rows - first || out.size() != count * tensor.row_length()) {
    return Error{ErrorCode::kInvalidArgument,
                 "rows " + std::to_string(first) + " to " + std::to_string(first + count) +
                     " of tensor '" + tensor.name + "', which has " + std::to_string(rows) +
                     " of " + std::to_string(tensor.row_length()) + " values, into " +
                     std::to_string(out.size()) + " floats"};
  }
  // Rows are whole blocks and lie one after the other, so blocks are all there is to count.
  const BlockShape shape = block_shape(tensor.type);
  const std::size_t step = kDequantizeBytes / shape.bytes;
  std::uint64_t offset = first * (tensor.row_length() / shape.values) * shape.bytes;
  std::vector<std::byte> buffer(std::min(step, out.size() / shape.values) * shape.bytes);
  while (!out.empty()) {
    const std::size_t blocks = std::min(step, out.size() / shape.values);
    const auto bytes = std::span(buffer).first(blocks * shape.bytes);
    WEFT_TRY_VOID(read(tensor, offset, bytes));
    dequantize(tensor.type, bytes, out.first(blocks * shape.values));
    offset += bytes.size();
    out = out.subspan(blocks * shape.values);
  }
  return {};
}

}  // namespace weft::inference
