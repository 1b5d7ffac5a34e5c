#include "inference/safetensors_header.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

namespace weft::inference::safetensors {
namespace {

constexpr std::size_t kShownBytesMax = 80;
constexpr std::string_view kMetadataName = "__metadata__";

struct Dtype {
  std::string_view name;
  std::uint64_t bits;
  std::optional<TensorType> type;
};
constexpr Dtype kDtypes[] = {{"F32", 32, TensorType::kF32},
                             {"F16", 16, TensorType::kF16},
                             {"BF16", 16, TensorType::kBF16},
                             {"F64", 64, {}},
                             {"I64", 64, {}},
                             {"U64", 64, {}},
                             {"C64", 64, {}},
                             {"I32", 32, {}},
                             {"U32", 32, {}},
                             {"I16", 16, {}},
                             {"U16", 16, {}},
                             {"I8", 8, {}},
                             {"U8", 8, {}},
                             {"BOOL", 8, {}},
                             {"F8_E5M2", 8, {}},
                             {"F8_E4M3", 8, {}},
                             {"F8_E8M0", 8, {}},
                             {"F6_E2M3", 6, {}},
                             {"F6_E3M2", 6, {}},
                             {"F4", 4, {}}};

const Dtype* find_dtype(std::string_view name) {
  const auto* found = std::ranges::find(kDtypes, name, &Dtype::name);
  return found == std::end(kDtypes) ? nullptr : found;
}

std::string shown(std::string_view text) {
  const std::string dumped = nlohmann::json(text.substr(0, kShownBytesMax))
                                 .dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return text.size() > kShownBytesMax ? dumped + "..." : dumped;
}

Error corrupt(std::string text) { return {ErrorCode::kCorrupt, std::move(text)}; }

/// What nlohmann's parser calls as it reads. Returning false stops it; the reason is in `error`.
class Reader {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  bool null() { return refuse("null"); }
  bool boolean(bool) { return refuse("a truth value"); }
  bool number_integer(number_integer_t) { return refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) { return refuse("a fraction"); }
  bool binary(binary_t&) { return refuse("binary"); }

  bool number_unsigned(number_unsigned_t value) {
    if (place_ == Place::kShape) {
      if (tensor_.shape.size() == kSafetensorsDimsMax) {
        return stop({ErrorCode::kUnsupported, "tensor " + shown(tensor_.name) + " has more than " +
                                                  std::to_string(kSafetensorsDimsMax) + " dims"});
      }
      tensor_.shape.push_back(value);
      return true;
    }
    if (place_ != Place::kOffsets) return refuse("a number");
    if (offset_count_ == 2) return refuse("a third offset");
    offsets_[offset_count_++] = value;
    return true;
  }

  bool string(string_t& value) {
    if (place_ == Place::kMetadata) {
      header.metadata.emplace_back(std::move(key_), std::move(value));
      return true;
    }
    if (place_ != Place::kTensor || key_ != "dtype") return refuse("a string");
    tensor_.dtype = std::move(value);
    return true;
  }

  bool start_object(std::size_t) {
    switch (place_) {
      case Place::kStart:
        place_ = Place::kTop;
        return true;
      case Place::kTop:
        place_ = key_ == kMetadataName ? Place::kMetadata : Place::kTensor;
        tensor_ = {};
        tensor_.name = key_;
        seen_ = {};
        offset_count_ = 0;
        return true;
      default:
        return refuse("an object");
    }
  }

  bool key(string_t& value) {
    key_ = std::move(value);
    if (place_ == Place::kTop) {
      if (names_.insert(key_).second) return true;
      return stop(corrupt("the name " + shown(key_) + " occurs twice"));
    }
    if (place_ == Place::kMetadata) return true;
    bool* seen = key_ == "dtype"          ? &seen_.dtype
                 : key_ == "shape"        ? &seen_.shape
                 : key_ == "data_offsets" ? &seen_.offsets
                                          : nullptr;
    if (seen == nullptr || *seen) {
      return stop(corrupt("tensor " + shown(tensor_.name) + " has " +
                          (seen == nullptr ? "the unknown" : "twice the") + " key " + shown(key_)));
    }
    return *seen = true;
  }

  bool end_object() {
    if (place_ == Place::kTensor && !end_tensor()) return false;
    place_ = place_ == Place::kTop ? Place::kEnd : Place::kTop;
    return true;
  }

  bool start_array(std::size_t) {
    if (place_ != Place::kTensor || key_ == "dtype") return refuse("an array");
    place_ = key_ == "shape" ? Place::kShape : Place::kOffsets;
    return true;
  }

  bool end_array() {
    place_ = Place::kTensor;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    return stop(corrupt("the header isn't JSON: error at its byte " + std::to_string(position)));
  }

  Header header;
  std::optional<Error> error;

 private:
  enum class Place { kStart, kTop, kMetadata, kTensor, kShape, kOffsets, kEnd };

  bool stop(Error reason) {
    error = std::move(reason);
    return false;
  }
  bool refuse(const std::string& what) {
    return stop(corrupt("the header has " + what + " where none belongs" +
                        (key_.empty() ? std::string() : ", at or after " + shown(key_))));
  }

  bool end_tensor() {
    const std::string name = "tensor " + shown(tensor_.name);
    if (!seen_.dtype || !seen_.shape || !seen_.offsets || offset_count_ != 2) {
      return stop(corrupt(name + " lacks its dtype, its shape or one of its two data_offsets"));
    }
    const Dtype* dtype = find_dtype(tensor_.dtype);
    if (dtype == nullptr) {
      return stop({ErrorCode::kUnsupported,
                   name + " has the dtype " + shown(tensor_.dtype) + ", which isn't known here"});
    }
    tensor_.type = dtype->type;
    std::uint64_t bits = dtype->bits;
    for (const std::uint64_t dim : tensor_.shape) {
      if (!__builtin_mul_overflow(bits, dim, &bits)) continue;
      return stop(corrupt(name + " has a shape beyond 2^64 bits"));
    }
    if (offsets_[1] < offsets_[0]) return stop(corrupt(name + " ends before it begins"));
    tensor_.offset = offsets_[0];
    tensor_.size_bytes = offsets_[1] - offsets_[0];
    if (bits % 8 != 0 || bits / 8 != tensor_.size_bytes) {
      return stop(corrupt(name + " has data_offsets " + std::to_string(tensor_.size_bytes) +
                          " bytes apart; its dtype and shape make " + std::to_string(bits) +
                          " bits"));
    }
    header.tensors.push_back(std::move(tensor_));
    return true;
  }

  struct Seen {
    bool dtype = false;
    bool shape = false;
    bool offsets = false;
  };

  Place place_ = Place::kStart;
  std::string key_;
  std::unordered_set<std::string> names_;
  SafetensorsTensor tensor_;
  Seen seen_;
  std::uint64_t offsets_[2] = {};
  std::size_t offset_count_ = 0;
};

// Each tensor begins where the one before it ends, and the last ends with the file.
Result<void> check_layout(std::vector<SafetensorsTensor>& tensors, std::uint64_t data_bytes) {
  std::ranges::sort(tensors, [](const SafetensorsTensor& a, const SafetensorsTensor& b) {
    return std::pair(a.offset, a.size_bytes) < std::pair(b.offset, b.size_bytes);
  });
  std::uint64_t end = 0;
  for (const SafetensorsTensor& tensor : tensors) {
    if (tensor.offset != end) {
      return corrupt("tensor " + shown(tensor.name) + " begins at byte " +
                     std::to_string(tensor.offset) + " of the data; the one before it ends at " +
                     std::to_string(end) + ": a hole or an overlap");
    }
    end += tensor.size_bytes;  // no overflow: both data_offsets fit 64 bits
  }
  if (end == data_bytes) return {};
  return corrupt("the tensors end at byte " + std::to_string(end) + " of the data, of which " +
                 std::to_string(data_bytes) + " are there: " +
                 (end > data_bytes ? "the file is cut short" : "bytes are left over"));
}

}  // namespace

Result<Header> parse_header(std::string_view json, std::uint64_t data_bytes) {
  if (!json.starts_with('{')) return corrupt("the header doesn't begin with \"{\"");
  Reader reader;
  const bool parsed = nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  if (!parsed) return reader.error ? *std::move(reader.error) : corrupt("the header isn't JSON");
  WEFT_TRY_VOID(check_layout(reader.header.tensors, data_bytes));
  return std::move(reader.header);
}

}  // namespace weft::inference::safetensors
