#pragma once
// Writes a GGUF file as it comes: header first, then the tensors' bytes in order, never more than
// one piece in memory. The file appears at its path when it is whole, or not at all.
// Source: ggml's docs/gguf.md.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/gguf.h"
#include "inference/weights/streamed_file.h"

namespace weft::inference {

/// Keys and values in GGUF's own encoding, in the order in which they will stand in the file.
class GgufMetadata {
 public:
  GgufMetadata() = default;
  /// Every pair of a file, byte for byte, and its version.
  static GgufMetadata copy_of(const GgufFile& file);

  /// Sets a key in its place, or adds it at the end.
  void set_u32(std::string_view key, std::uint32_t value);
  void set_string(std::string_view key, std::string_view value);
  void set_strings(std::string_view key, std::span<const std::string> values);
  void erase(std::string_view key);

  std::uint32_t version() const noexcept { return version_; }
  std::size_t count() const noexcept { return pairs_.size(); }
  std::uint64_t alignment() const noexcept;  // of the tensors' data: general.alignment, or 32
  void append_to(std::vector<std::byte>& bytes) const;

 private:
  struct Pair {
    std::string key;
    std::vector<std::byte> encoded;
  };
  void put(std::string_view key, std::vector<std::byte> encoded);
  const Pair* find(std::string_view key) const noexcept;

  std::uint32_t version_ = 3;
  std::vector<Pair> pairs_;
};

/// A tensor to be written.
struct TensorSpec {
  std::string name;                 // at most 63 bytes
  TensorType type;                  // its block must divide dims[0]
  std::vector<std::uint64_t> dims;  // 1..4, dims[0] is the contiguous row length

  std::uint64_t size_bytes() const noexcept;  // 0 if its rows aren't whole blocks
};

/// Needs itself alone. Movable; what was begun and not finished is deleted with it.
class GgufWriter {
 public:
  /// Begins the file beside `path`, under another name, and writes everything but the tensors'
  /// bytes. Errors: kInvalidArgument for a tensor that a reader would refuse (named);
  /// those of StreamedFile::create. `free_bytes` is replaced in tests.
  static Result<GgufWriter> create(const std::filesystem::path& path, const GgufMetadata& metadata,
                                   std::vector<TensorSpec> tensors, FreeBytesOf free_bytes = {});

  GgufWriter(GgufWriter&&) noexcept;
  GgufWriter& operator=(GgufWriter&&) = delete;
  ~GgufWriter();

  /// The next bytes of the tensor that isn't full yet; padding between tensors is added.
  /// Errors: kInvalidArgument for more bytes than it still takes; kResourceExhausted, kIo.
  Result<void> append(std::span<const std::byte> bytes);

  /// Puts the file in its place, replacing what is there. Errors: kInvalidArgument if bytes are
  /// missing; kIo.
  Result<void> finish();

  std::uint64_t size_bytes() const noexcept;  // of the whole file, once it is finished

 private:
  struct State;
  explicit GgufWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace weft::inference
