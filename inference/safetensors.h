#pragma once
// A safetensors model file: where each tensor lies, as its JSON header says. Every length, shape
// and offset is checked against the bytes that are really there before it is used; nothing is
// mapped, so a file that shrinks later is an error, never a signal. Source: the format's
// description in the safetensors project's README, 2022-2026.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "inference/tensor_type.h"

namespace weft::inference {

inline constexpr std::uint64_t kSafetensorsHeaderBytesMax = 100'000'000;  // the format's own limit
inline constexpr std::size_t kSafetensorsDimsMax = 8;

struct SafetensorsTensor {
  std::string name;
  std::string dtype;                 // "F32", "I64", ...: one of the format's own names
  std::optional<TensorType> type;    // of F32, F16 and BF16: what read_rows() reads
  std::vector<std::uint64_t> shape;  // outermost first; empty for a scalar, 0s are allowed
  std::uint64_t offset = 0;          // from the start of the file
  std::uint64_t size_bytes = 0;

  std::uint64_t row_length() const noexcept;  // the last dim; 1 for a scalar
  std::uint64_t rows() const noexcept;        // product of the others
};

/// An open file. Const members may run at once. Movable; the file stays open while it lives.
class SafetensorsFile {
 public:
  /// Reads and checks everything but the tensors' values: the data are the tensors, one after the
  /// other, without holes or overlaps, to the file's last byte.
  /// Errors: kNotFound, kIo; kCorrupt names the rule and the tensor or byte; kUnsupported for an
  /// unknown dtype or more than 8 dims; kResourceExhausted for a header over 100 MB.
  static Result<SafetensorsFile> open(const std::filesystem::path& path);

  SafetensorsFile(SafetensorsFile&&) noexcept;
  SafetensorsFile& operator=(SafetensorsFile&&) noexcept;
  ~SafetensorsFile();

  const std::filesystem::path& path() const noexcept;
  std::uint64_t size_bytes() const noexcept;
  /// The header's "__metadata__", in file order.
  std::span<const std::pair<std::string, std::string>> metadata() const noexcept;

  std::span<const SafetensorsTensor> tensors() const noexcept;  // by offset
  const SafetensorsTensor* tensor(std::string_view name) const noexcept;

  /// Fills `out` with the tensor's bytes from its byte `offset` on, whatever the dtype.
  /// Errors: kInvalidArgument for bytes that it doesn't have; kIo if the file shrank.
  Result<void> read(const SafetensorsTensor& tensor, std::uint64_t offset,
                    std::span<std::byte> out) const;
  /// Rows [first, first + count) as floats into `out` (count, row_length).
  /// Errors: kInvalidArgument for other rows or another size; kUnsupported for a dtype without
  /// `type`; kIo if the file shrank.
  Result<void> read_rows(const SafetensorsTensor& tensor, std::uint64_t first, std::uint64_t count,
                         std::span<float> out) const;

 private:
  struct State;
  explicit SafetensorsFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weft::inference
