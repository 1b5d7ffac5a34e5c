#pragma once
// A GGUF model file, versions 2 and 3, little-endian: metadata and where each tensor lies. Every
// length, count and offset is checked against the bytes that are really there before it is used;
// nothing is mapped, so a file that shrinks later is an error, never a signal.
// Source: ggml's docs/gguf.md; the hardening list follows the advisories against other readers.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/tensor_type.h"

namespace weft::inference {

struct TensorInfo {
  std::string name;
  TensorType type;
  std::vector<std::uint64_t> dims;  // 1..4, all > 0; dims[0] is the contiguous row length
  std::uint64_t offset;             // from the start of the file
  std::uint64_t size_bytes;

  std::uint64_t row_length() const noexcept { return dims.front(); }
  std::uint64_t rows() const noexcept;  // product of the other dims
};

/// An open file. Const members may run at once. Movable; the file stays open while it lives.
class GgufFile {
 public:
  /// Reads and checks everything but the tensors' values.
  /// Errors: kNotFound, kIo; kCorrupt names the rule, the key or tensor and the byte offset;
  /// kUnsupported for version 1, big-endian files and tensor types that this build doesn't read;
  /// kResourceExhausted for more than 256 MiB of metadata.
  static Result<GgufFile> open(const std::filesystem::path& path);

  GgufFile(GgufFile&&) noexcept;
  GgufFile& operator=(GgufFile&&) noexcept;
  ~GgufFile();

  const std::filesystem::path& path() const noexcept;
  std::uint32_t version() const noexcept;
  std::uint64_t size_bytes() const noexcept;

  bool has(std::string_view key) const noexcept;
  std::vector<std::string_view> keys() const;  // in file order
  /// The key, type and value as they lie in the file, to be written to another; borrowed from this.
  /// Empty if the key is missing.
  std::span<const std::byte> encoded(std::string_view key) const noexcept;
  /// A short rendering for people: scalars as they are, arrays as "[type x count] first, ...".
  std::string describe(std::string_view key) const;

  /// Typed getters. Integers of any width and sign convert where the value fits.
  /// Errors: kNotFound if the key is missing, kCorrupt if its stored type is another one.
  Result<std::uint64_t> unsigned_integer(std::string_view key) const;
  Result<double> number(std::string_view key) const;  // any float or integer type
  Result<bool> boolean(std::string_view key) const;
  Result<std::string_view> string(std::string_view key) const;  // borrowed from this
  /// Whole arrays; views are borrowed from this.
  Result<std::vector<std::string_view>> strings(std::string_view key) const;
  Result<std::vector<float>> floats(std::string_view key) const;
  Result<std::vector<std::int64_t>> integers(std::string_view key) const;

  std::span<const TensorInfo> tensors() const noexcept;  // in file order
  const TensorInfo* tensor(std::string_view name) const noexcept;

  /// Gives back the memory of the metadata, after which there are no keys; tensors stay, and what
  /// was borrowed from keys and values doesn't.
  void forget_metadata() noexcept;

  /// Reads out.size() bytes of `tensor` from its byte `offset` on. Errors: kIo if the file shrank.
  Result<void> read(const TensorInfo& tensor, std::uint64_t offset, std::span<std::byte> out) const;
  /// Rows [first, first + count) as floats into `out` (count, row_length).
  Result<void> read_rows(const TensorInfo& tensor, std::uint64_t first, std::uint64_t count,
                         std::span<float> out) const;

 private:
  struct State;
  explicit GgufFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weft::inference
