#include "inference/weights/gguf_writer.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

namespace weft::inference {
namespace {

constexpr std::uint32_t kMagic = 0x46554747;  // "GGUF"
constexpr std::uint32_t kU32 = 4;             // ids of value types
constexpr std::uint32_t kString = 8;
constexpr std::uint32_t kArray = 9;
constexpr std::uint64_t kAlignmentDefault = 32;
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr std::size_t kTensorNameBytesMax = 63;
constexpr std::size_t kDimensionsMax = 4;

template <typename T>
void append_number(std::vector<std::byte>& bytes, T value) {
  const std::size_t end = bytes.size();
  bytes.resize(end + sizeof value);
  std::memcpy(bytes.data() + end, &value, sizeof value);
}

void append_string(std::vector<std::byte>& bytes, std::string_view text) {
  append_number(bytes, std::uint64_t{text.size()});
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  bytes.insert(bytes.end(), first, first + text.size());
}

std::uint64_t padding(std::uint64_t size, std::uint64_t alignment) {
  return (alignment - size % alignment) % alignment;
}

Result<void> check_tensors(std::span<const TensorSpec> tensors) {
  std::set<std::string_view> names;
  for (const TensorSpec& tensor : tensors) {
    const auto refuse = [&](const std::string& why) {
      return Error{ErrorCode::kInvalidArgument, "tensor '" + tensor.name + "' " + why};
    };
    if (!names.insert(tensor.name).second) return refuse("is to be written twice");
    if (tensor.name.size() > kTensorNameBytesMax) return refuse("has a name of over 63 bytes");
    if (tensor.dims.empty() || tensor.dims.size() > kDimensionsMax ||
        std::ranges::find(tensor.dims, 0U) != tensor.dims.end()) {
      return refuse("must have 1 to 4 dimensions, none of them 0");
    }
    if (tensor.size_bytes() == 0) {
      return refuse("has rows of " + std::to_string(tensor.dims.front()) +
                    " values, not whole blocks of " + std::string(to_string(tensor.type)));
    }
  }
  return {};
}

}  // namespace

GgufMetadata GgufMetadata::copy_of(const GgufFile& file) {
  GgufMetadata copy;
  copy.version_ = file.version();
  for (const std::string_view key : file.keys()) {
    const auto encoded = file.encoded(key);
    copy.pairs_.push_back({std::string(key), {encoded.begin(), encoded.end()}});
  }
  return copy;
}

const GgufMetadata::Pair* GgufMetadata::find(std::string_view key) const noexcept {
  const auto found = std::ranges::find(pairs_, key, &Pair::key);
  return found == pairs_.end() ? nullptr : &*found;
}

void GgufMetadata::put(std::string_view key, std::vector<std::byte> encoded) {
  const auto found = std::ranges::find(pairs_, key, &Pair::key);
  if (found != pairs_.end()) {
    found->encoded = std::move(encoded);
  } else {
    pairs_.push_back({std::string(key), std::move(encoded)});
  }
}

void GgufMetadata::set_u32(std::string_view key, std::uint32_t value) {
  std::vector<std::byte> encoded;
  append_string(encoded, key);
  append_number(encoded, kU32);
  append_number(encoded, value);
  put(key, std::move(encoded));
}

void GgufMetadata::set_string(std::string_view key, std::string_view value) {
  std::vector<std::byte> encoded;
  append_string(encoded, key);
  append_number(encoded, kString);
  append_string(encoded, value);
  put(key, std::move(encoded));
}

void GgufMetadata::set_strings(std::string_view key, std::span<const std::string> values) {
  std::vector<std::byte> encoded;
  append_string(encoded, key);
  append_number(encoded, kArray);
  append_number(encoded, kString);
  append_number(encoded, std::uint64_t{values.size()});
  for (const std::string& value : values) append_string(encoded, value);
  put(key, std::move(encoded));
}

void GgufMetadata::erase(std::string_view key) {
  std::erase_if(pairs_, [&](const Pair& pair) { return pair.key == key; });
}

std::uint64_t GgufMetadata::alignment() const noexcept {
  const Pair* pair = find(kAlignmentKey);
  if (pair == nullptr) return kAlignmentDefault;
  // Readers take no other type than u32 for it, so the value is the last four bytes.
  std::uint32_t value = 0;
  std::memcpy(&value, pair->encoded.data() + pair->encoded.size() - sizeof value, sizeof value);
  return value;
}

void GgufMetadata::append_to(std::vector<std::byte>& bytes) const {
  for (const Pair& pair : pairs_) {
    bytes.insert(bytes.end(), pair.encoded.begin(), pair.encoded.end());
  }
}

std::uint64_t TensorSpec::size_bytes() const noexcept {
  std::uint64_t size = row_bytes(type, dims.front()).value_or(0);
  for (std::size_t i = 1; i < dims.size(); ++i) size *= dims[i];
  return size;
}

struct GgufWriter::State {
  StreamedFile file;
  std::vector<TensorSpec> tensors;
  std::uint64_t alignment;
  std::uint64_t size_bytes;
  std::size_t tensor = 0;  // that isn't full yet
  std::uint64_t done = 0;  // bytes of it

  Result<void> end_tensor() {
    const std::vector<std::byte> zeros(padding(tensors[tensor].size_bytes(), alignment));
    WEFT_TRY_VOID(file.append(zeros));
    ++tensor;
    done = 0;
    return {};
  }
};

GgufWriter::GgufWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
GgufWriter::GgufWriter(GgufWriter&&) noexcept = default;
GgufWriter::~GgufWriter() = default;

Result<GgufWriter> GgufWriter::create(const std::filesystem::path& path,
                                      const GgufMetadata& metadata, std::vector<TensorSpec> tensors,
                                      FreeBytesOf free_bytes) {
  WEFT_TRY_VOID(check_tensors(tensors));
  const std::uint64_t alignment = metadata.alignment();
  std::vector<std::byte> header;
  append_number(header, kMagic);
  append_number(header, metadata.version());
  append_number(header, std::uint64_t{tensors.size()});
  append_number(header, std::uint64_t{metadata.count()});
  metadata.append_to(header);
  std::uint64_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    append_string(header, tensor.name);
    append_number(header, static_cast<std::uint32_t>(tensor.dims.size()));
    for (const std::uint64_t dim : tensor.dims) append_number(header, dim);
    append_number(header, static_cast<std::uint32_t>(tensor.type));
    append_number(header, offset);
    offset += tensor.size_bytes() + padding(tensor.size_bytes(), alignment);
  }
  if (!tensors.empty()) header.resize(header.size() + padding(header.size(), alignment));
  const std::uint64_t size_bytes = header.size() + offset;
  WEFT_TRY(file, StreamedFile::create(path, {size_bytes, std::move(free_bytes)}));
  WEFT_TRY_VOID(file.append(header));
  return GgufWriter(std::unique_ptr<State>(
      new State{std::move(file), std::move(tensors), alignment, size_bytes}));
}

Result<void> GgufWriter::append(std::span<const std::byte> bytes) {
  State& state = *state_;
  const bool all_full = state.tensor == state.tensors.size();
  const std::uint64_t size = all_full ? 0 : state.tensors[state.tensor].size_bytes();
  if (bytes.size() > size - state.done) {
    return Error{
        ErrorCode::kInvalidArgument,
        (all_full ? "after the last tensor" : "tensor '" + state.tensors[state.tensor].name + "'") +
            ": " + std::to_string(bytes.size()) + " bytes, where " +
            std::to_string(size - state.done) + " are missing"};
  }
  WEFT_TRY_VOID(state.file.append(bytes));
  state.done += bytes.size();
  return !all_full && state.done == size ? state.end_tensor() : Result<void>();
}

Result<void> GgufWriter::finish() {
  State& state = *state_;
  if (state.tensor != state.tensors.size()) {
    return Error{ErrorCode::kInvalidArgument,
                 "bytes of tensor '" + state.tensors[state.tensor].name + "' are missing"};
  }
  return state.file.publish();
}

std::uint64_t GgufWriter::size_bytes() const noexcept { return state_->size_bytes; }

}  // namespace weft::inference
