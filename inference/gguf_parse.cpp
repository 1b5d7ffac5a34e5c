#include "inference/gguf_parse.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <utility>

namespace weft::inference::gguf {
namespace {

// Far above real files (a vocabulary of 262,144 tokens takes 15 MB, big models have 10,000
// tensors).
constexpr std::uint64_t kHeaderBytesMax = 256ULL << 20;
constexpr std::uint64_t kStringBytesMax = 64ULL << 20;
constexpr std::uint64_t kKeyBytesMax = 65535;  // the format's own limit
constexpr std::uint64_t kEntriesMax = 1 << 16;
constexpr std::uint64_t kArrayCountMax = 1 << 24;
constexpr std::uint64_t kTensorsMax = 1 << 16;
constexpr std::uint64_t kTensorNameBytesMax = 63;
constexpr std::uint32_t kDimensionsMax = 4;
constexpr std::uint64_t kAlignmentMax = 1 << 20;
constexpr std::uint64_t kAlignmentDefault = 32;
constexpr std::string_view kAlignmentKey = "general.alignment";

constexpr std::uint64_t kEntryBytesMin = 13;       // key length, type, a value of one byte
constexpr std::uint64_t kTensorBytesMin = 24;      // name length, dimension count, type, offset
constexpr std::uint64_t kReadBytes = 1 << 20;      // by which the header is read
constexpr std::uint64_t kReserveBytes = 16 << 20;  // address space at first, not yet memory

std::string in_quotes(std::string_view text) {
  // Only what a file says about itself comes here: keep the message short and printable.
  constexpr std::size_t kShownBytesMax = 80;
  std::string shown = "'";
  for (const char c : text.substr(0, kShownBytesMax)) shown += c >= ' ' && c <= '~' ? c : '?';
  return shown + (text.size() > kShownBytesMax ? "...'" : "'");
}

std::optional<std::uint64_t> add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

std::optional<std::uint64_t> multiply(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

std::optional<std::uint64_t> align_up(std::uint64_t value, std::uint64_t alignment) {
  const auto padded = add(value, alignment - 1);
  if (!padded) return std::nullopt;
  return *padded & ~(alignment - 1);
}

class Parser {
 public:
  explicit Parser(const Source& source) : source_(source) {}

  Result<Header> run() {
    header_.bytes.reserve(std::min(kReserveBytes, source_.size_bytes));
    WEFT_TRY_VOID(read_counts());
    for (std::uint64_t i = 0; i < entry_count_; ++i) WEFT_TRY_VOID(read_entry());
    WEFT_TRY_VOID(index_entries());
    WEFT_TRY_VOID(read_alignment());
    for (std::uint64_t i = 0; i < tensor_count_; ++i) WEFT_TRY_VOID(read_tensor());
    WEFT_TRY_VOID(index_tensors());
    WEFT_TRY_VOID(place_tensors());
    header_.bytes.resize(position_);
    header_.bytes.shrink_to_fit();
    return std::move(header_);
  }

 private:
  std::uint64_t remaining() const { return source_.size_bytes - position_; }

  // A rule broken by the bytes at `offset`.
  static Error corrupt(std::uint64_t offset, std::string text) {
    return Error{ErrorCode::kCorrupt, std::move(text) + " (byte " + std::to_string(offset) + ")"};
  }

  // Makes the next `size` bytes part of the buffer. Reads ahead, but never beyond the file.
  Result<void> need(std::uint64_t size, std::string_view what) {
    if (size > remaining()) {
      return corrupt(position_, "the file ends inside " + std::string(what) +
                                    ": it was cut off, or a length before it is wrong");
    }
    const std::uint64_t end = position_ + size;
    const std::uint64_t have = header_.bytes.size();
    if (end <= have) return {};
    if (end > kHeaderBytesMax) {
      return Error{ErrorCode::kResourceExhausted,
                   "the metadata takes more than " + std::to_string(kHeaderBytesMax) + " bytes"};
    }
    header_.bytes.resize(std::min(std::max(end, have + kReadBytes), source_.size_bytes));
    return source_.read(have, std::span(header_.bytes).subspan(have));
  }

  template <typename T>
  Result<T> take(std::string_view what) {
    WEFT_TRY_VOID(need(sizeof(T), what));
    T value;
    std::memcpy(&value, header_.bytes.data() + position_, sizeof value);
    position_ += sizeof value;
    return value;
  }

  // Leaves the string itself in the buffer: where it lies and how long it is.
  Result<std::uint64_t> take_string(std::uint64_t length_max, std::string_view what) {
    WEFT_TRY(length, take<std::uint64_t>(what));
    if (length > remaining() || length > length_max) {
      return corrupt(position_ - sizeof length,
                     std::string(what) + " is " + std::to_string(length) + " bytes long, where " +
                         std::to_string(std::min(length_max, remaining())) + " is the most");
    }
    WEFT_TRY_VOID(need(length, what));
    position_ += length;
    return length;
  }

  std::string_view last_string(std::uint64_t length) const {
    return {reinterpret_cast<const char*>(header_.bytes.data()) + position_ - length, length};
  }

  Result<void> read_counts() {
    WEFT_TRY(magic, take<std::uint32_t>("the magic number"));
    if (magic != 0x46554747) return corrupt(0, "not a GGUF file: it doesn't begin with 'GGUF'");
    WEFT_TRY(version, take<std::uint32_t>("the version"));
    if (version == 0) return corrupt(4, "version 0 doesn't exist");
    if ((version & 0xFFFF) == 0) {
      return Error{ErrorCode::kUnsupported,
                   "the file is big-endian; convert it to little-endian GGUF"};
    }
    if (version != 2 && version != 3) {
      return Error{ErrorCode::kUnsupported, "GGUF version " + std::to_string(version) +
                                                " isn't read, only 2 and 3; convert it again"};
    }
    header_.version = version;
    WEFT_TRY(tensors, take<std::uint64_t>("the number of tensors"));
    WEFT_TRY(entries, take<std::uint64_t>("the number of metadata keys"));
    WEFT_TRY_VOID(check_count(tensors, kTensorBytesMin, kTensorsMax, 8, "tensors"));
    WEFT_TRY_VOID(check_count(entries, kEntryBytesMin, kEntriesMax, 16, "metadata keys"));
    tensor_count_ = tensors;
    entry_count_ = entries;
    return {};
  }

  Result<void> check_count(std::uint64_t count, std::uint64_t bytes_min, std::uint64_t count_max,
                           std::uint64_t offset, std::string_view what) const {
    if (count <= std::min(remaining() / bytes_min, count_max)) return {};
    return corrupt(offset, std::to_string(count) + " " + std::string(what) + " in a file of " +
                               std::to_string(source_.size_bytes) + " bytes");
  }

  Result<void> read_entry() {
    Entry entry{};
    WEFT_TRY(key_length, take_string(kKeyBytesMax, "a metadata key"));
    entry.key_length = static_cast<std::uint32_t>(key_length);
    entry.key_offset = position_ - key_length;
    entry.count = 1;
    WEFT_TRY(type, take_value_type(entry));
    entry.type = type;
    if (type == ValueType::kArray) {
      entry.is_array = true;
      WEFT_TRY(element_type, take_value_type(entry));
      if (element_type == ValueType::kArray) {
        return corrupt(position_, label(entry) + " is an array of arrays, which isn't allowed");
      }
      entry.type = element_type;
      WEFT_TRY(count, take<std::uint64_t>(label(entry)));
      entry.count = count;
    }
    entry.value_offset = position_;
    WEFT_TRY_VOID(skip_values(entry));
    header_.entries.push_back(entry);
    return {};
  }

  std::string label(const Entry& entry) const { return "key " + in_quotes(header_.key(entry)); }

  Result<ValueType> take_value_type(const Entry& entry) {
    WEFT_TRY(id, take<std::uint32_t>("the type of a metadata key"));
    if (id < kValueTypes) return static_cast<ValueType>(id);
    return corrupt(position_ - 4, label(entry) + " has value type " + std::to_string(id) +
                                      ", which doesn't exist");
  }

  // Past the values, after checking that they are there.
  Result<void> skip_values(const Entry& entry) {
    if (entry.type == ValueType::kString) {
      if (!can_hold(entry, sizeof(std::uint64_t))) return too_many(entry);
      const std::string what = "the string of " + label(entry);
      for (std::uint64_t i = 0; i < entry.count; ++i) {
        WEFT_TRY_VOID(take_string(kStringBytesMax, what));
      }
      return {};
    }
    const std::size_t size = fixed_size(entry.type);
    if (!can_hold(entry, size)) return too_many(entry);
    WEFT_TRY_VOID(need(entry.count * size, "the value of " + label(entry)));
    if (entry.type == ValueType::kBool) {
      const auto values = header_.at(position_, entry.count);
      const auto wrong = std::ranges::find_if(values, [](std::byte b) { return b > std::byte{1}; });
      if (wrong != values.end()) {
        return corrupt(position_ + static_cast<std::uint64_t>(wrong - values.begin()),
                       label(entry) + " holds a truth value that is neither 0 nor 1");
      }
    }
    position_ += entry.count * size;
    return {};
  }

  bool can_hold(const Entry& entry, std::size_t size) const {
    return entry.count <= std::min(remaining() / size, kArrayCountMax);
  }

  Error too_many(const Entry& entry) const {
    return corrupt(entry.value_offset, label(entry) + " claims " + std::to_string(entry.count) +
                                           " values of type " + std::string(to_string(entry.type)) +
                                           " in " + std::to_string(remaining()) +
                                           " remaining bytes");
  }

  Result<void> index_entries() {
    auto& index = header_.entries_by_key;
    index.resize(header_.entries.size());
    std::iota(index.begin(), index.end(), 0U);
    const auto key_of = [this](std::uint32_t i) { return header_.key(header_.entries[i]); };
    std::ranges::stable_sort(index, {}, key_of);
    const auto twice = std::ranges::adjacent_find(index, {}, key_of);
    if (twice == index.end()) return {};
    const Entry& second = header_.entries[*std::next(twice)];
    return corrupt(second.key_offset, label(second) + " stands in the file twice");
  }

  Result<void> read_alignment() {
    const Entry* entry = header_.find(kAlignmentKey);
    if (entry == nullptr) return {};
    if (entry->type != ValueType::kU32 || entry->is_array) {
      return corrupt(entry->value_offset, label(*entry) + " must be a u32");
    }
    std::uint32_t value = 0;
    std::memcpy(&value, header_.at(entry->value_offset, sizeof value).data(), sizeof value);
    if (!std::has_single_bit(value) || value > kAlignmentMax) {
      return corrupt(entry->value_offset, label(*entry) + " is " + std::to_string(value) +
                                              ", not a power of two up to " +
                                              std::to_string(kAlignmentMax));
    }
    alignment_ = value;
    return {};
  }

  // One tensor info. Its offset stays relative to the data until place_tensors().
  Result<void> read_tensor() {
    const std::uint64_t start = position_;
    WEFT_TRY(name_length, take_string(kTensorNameBytesMax, "a tensor's name"));
    TensorInfo tensor;
    tensor.name = last_string(name_length);
    const std::string label = "tensor " + in_quotes(tensor.name);
    WEFT_TRY(dimension_count, take<std::uint32_t>(label));
    if (dimension_count == 0 || dimension_count > kDimensionsMax) {
      return corrupt(position_ - 4,
                     label + " has " + std::to_string(dimension_count) + " dimensions, not 1 to 4");
    }
    for (std::uint32_t i = 0; i < dimension_count; ++i) {
      WEFT_TRY(dim, take<std::uint64_t>(label));
      if (dim == 0 || dim > std::numeric_limits<std::int64_t>::max()) {
        return corrupt(position_ - 8, label + " has a dimension of zero or less");
      }
      tensor.dims.push_back(dim);
    }
    WEFT_TRY(type_id, take<std::uint32_t>(label));
    const auto type = tensor_type_from_id(type_id);
    if (!type) return unsupported_type(label, type_id);
    tensor.type = *type;
    WEFT_TRY(offset, take<std::uint64_t>(label));
    tensor.offset = offset;
    WEFT_TRY_VOID(measure(tensor, label, start));
    header_.tensors.push_back(std::move(tensor));
    tensor_starts_.push_back(start);
    return {};
  }

  Error unsupported_type(const std::string& label, std::uint32_t id) const {
    if (tensor_type_name(id) == "?") {
      return Error{ErrorCode::kUnsupported,
                   label + " has type id " + std::to_string(id) + " (byte " +
                       std::to_string(position_ - 4) +
                       "), unknown here: the file is damaged, or newer than this program"};
    }
    return Error{ErrorCode::kUnsupported,
                 label + " is stored as " + std::string(tensor_type_name(id)) +
                     ", which isn't read here; get the model as Q4_K_M, Q5_K_M, Q8_0 or F16"};
  }

  static Result<void> measure(TensorInfo& tensor, const std::string& label, std::uint64_t start) {
    const auto row = row_bytes(tensor.type, tensor.dims.front());
    if (tensor.dims.front() % block_shape(tensor.type).values != 0) {
      return corrupt(start, label + " has rows of " + std::to_string(tensor.dims.front()) +
                                " values, not whole blocks of " +
                                std::string(weft::inference::to_string(tensor.type)));
    }
    // Elements as well as bytes: a block format takes less than a byte for one.
    auto elements = std::optional<std::uint64_t>(1);
    for (const std::uint64_t dim : tensor.dims) {
      if (elements) elements = multiply(*elements, dim);
    }
    const auto rows = elements ? *elements / tensor.dims.front() : 0;
    const auto size = row && elements ? multiply(*row, rows) : std::nullopt;
    if (!size || *elements > std::numeric_limits<std::int64_t>::max()) {
      return corrupt(start, label + " has more values than 63 bits can count");
    }
    tensor.size_bytes = *size;
    return {};
  }

  Result<void> index_tensors() {
    auto& index = header_.tensors_by_name;
    index.resize(header_.tensors.size());
    std::iota(index.begin(), index.end(), 0U);
    const auto name_of = [this](std::uint32_t i) -> std::string_view {
      return header_.tensors[i].name;
    };
    std::ranges::stable_sort(index, {}, name_of);
    const auto twice = std::ranges::adjacent_find(index, {}, name_of);
    if (twice == index.end()) return {};
    return corrupt(tensor_starts_[*std::next(twice)],
                   "tensor " + in_quotes(name_of(*twice)) + " stands in the file twice");
  }

  // The writers lay tensors out one after the other, each padded to the alignment. Holding every
  // file to that leaves no room for overlaps and holes.
  Result<void> place_tensors() {
    const auto data_start = align_up(position_, alignment_);
    std::uint64_t expected = 0;  // relative to the data
    for (std::size_t i = 0; i < header_.tensors.size(); ++i) {
      TensorInfo& tensor = header_.tensors[i];
      if (tensor.offset != expected) {
        return corrupt(tensor_starts_[i], "tensor " + in_quotes(tensor.name) + " lies at offset " +
                                              std::to_string(tensor.offset) +
                                              " of the data, where " + std::to_string(expected) +
                                              " follows from those before it");
      }
      const auto start = data_start ? add(*data_start, tensor.offset) : std::nullopt;
      const auto end = start ? add(*start, tensor.size_bytes) : std::nullopt;
      const auto next = end ? align_up(expected + tensor.size_bytes, alignment_) : std::nullopt;
      if (!next || *end > source_.size_bytes) {
        return corrupt(tensor_starts_[i], "tensor " + in_quotes(tensor.name) + " of " +
                                              std::to_string(tensor.size_bytes) +
                                              " bytes reaches beyond the file's " +
                                              std::to_string(source_.size_bytes) +
                                              ": the file was cut off (is the download complete?)");
      }
      tensor.offset = *start;
      expected = *next;
    }
    return {};
  }

  const Source& source_;
  Header header_;
  std::vector<std::uint64_t> tensor_starts_;  // of each tensor info, for messages
  std::uint64_t position_ = 0;
  std::uint64_t tensor_count_ = 0;
  std::uint64_t entry_count_ = 0;
  std::uint64_t alignment_ = kAlignmentDefault;
};

}  // namespace

Result<Header> parse(const Source& source) { return Parser(source).run(); }

}  // namespace weft::inference::gguf
