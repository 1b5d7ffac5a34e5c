#include "inference/cpu/packed_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/atomic_file.h"
#include "inference/weights/streamed_file.h"

namespace weft::inference::cpu {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPage = 4096;
constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kWriteBytes = std::size_t{8} << 20;  // between two looks at `stop`

std::size_t rounded(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// The first lines of the file, which an older or a strange one lacks.
Result<std::string> key(const PackedSource& source) {
  const fs::path& path = source.model.path();
  std::error_code failed;
  const auto changed = fs::last_write_time(path, failed);
  if (failed) {
    return Error{ErrorCode::kIo,
                 "cannot read when " + path.string() + " was changed: " + failed.message()};
  }
  return "weft packed weights\nlayout " + std::to_string(kPackedLayout) + "\nlevel " +
         std::string(to_string(source.level)) + "\nmodel " + source.fingerprint + "\nfile " +
         std::to_string(source.model.size_bytes()) + " bytes, changed at " +
         std::to_string(changed.time_since_epoch().count()) + "\nbits ";
}

// The key, then whether each matrix needs 7 bits or 8, then zeros.
std::size_t header_bytes(const std::string& key, std::size_t matrices) {
  return rounded(key.size() + matrices + 1, kPage);
}

struct Unmap {
  std::size_t bytes;
  void operator()(const std::uint8_t* memory) const noexcept {
    munmap(const_cast<std::uint8_t*>(memory), bytes);
  }
};

/// Errors: kConflict if the file isn't of that size.
Result<std::shared_ptr<const std::uint8_t[]>> map(const fs::path& path, std::size_t bytes) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return errno_error("open", path);
  struct stat status = {};
  const bool is_whole = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
                        static_cast<std::uint64_t>(status.st_size) == bytes;
  void* memory = is_whole ? mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
  Error failure = errno_error("map", path);
  ::close(file);
  if (!is_whole) {
    return Error{ErrorCode::kConflict, path.string() + " isn't as long as this model's is"};
  }
  if (memory == MAP_FAILED) return failure;
  return std::shared_ptr<const std::uint8_t[]>(static_cast<const std::uint8_t*>(memory),
                                               Unmap{bytes});
}

}  // namespace

fs::path packed_path(const fs::path& model, Level level) {
  fs::path path = model;
  return path.replace_extension("." + std::string(to_string(level)) + ".packed");
}

Result<PackedFile> PackedFile::open(const PackedSource& source,
                                    std::span<const TensorInfo* const> tensors) {
  const fs::path path = packed_path(source.model.path(), source.level);
  std::error_code unknown;
  if (!fs::exists(path, unknown)) return Error{ErrorCode::kNotFound, "no " + path.string()};
  WEFT_TRY(wanted, key(source));
  std::vector<std::size_t> offsets = {header_bytes(wanted, tensors.size())};
  for (const TensorInfo* tensor : tensors) {
    const std::size_t bytes =
        Matrix::packed_bytes(tensor->type, tensor->rows(), tensor->row_length(), source.level);
    offsets.push_back(offsets.back() + rounded(bytes, kCacheLine));
  }
  WEFT_TRY(mapping, map(path, offsets.back()));
  const std::string_view header(reinterpret_cast<const char*>(mapping.get()), offsets.front());
  const std::string_view bits = header.substr(wanted.size(), tensors.size());
  if (!header.starts_with(wanted) || bits.find_first_not_of("78") != std::string_view::npos) {
    return Error{ErrorCode::kConflict,
                 path.string() + " is of another model, or of another release of weft"};
  }
  std::vector<bool> are_7_bits;
  for (const char each : bits) are_7_bits.push_back(each == '7');
  return PackedFile(source.level, {tensors.begin(), tensors.end()}, std::move(are_7_bits),
                    std::move(mapping), std::move(offsets));
}

Result<Matrix> PackedFile::matrix(std::size_t i) const {
  const TensorInfo& tensor = *tensors_[i];
#if defined(MADV_POPULATE_READ)
  const std::size_t first = offsets_[i] / kPage * kPage;
  auto* const pages = const_cast<std::uint8_t*>(mapping_.get() + first);
  // Kernels before 5.14 don't know it (EINVAL): pages then come when they are used.
  if (madvise(pages, offsets_[i + 1] - first, MADV_POPULATE_READ) != 0 && errno != EINVAL) {
    return errno_error("read", "packed weights of tensor " + tensor.name);
  }
#endif
  return Matrix::from_packed(tensor.type, tensor.rows(), tensor.row_length(), are_7_bits_[i],
                             level_, {mapping_, mapping_.get() + offsets_[i]});
}

Result<fs::path> write_packed(const PackedSource& source, std::span<const Matrix* const> matrices,
                              const LoadOptions& options) {
  WEFT_TRY(header, key(source));
  const std::size_t begin = header_bytes(header, matrices.size());
  std::uint64_t total = begin;
  for (const Matrix* matrix : matrices) {
    header += matrix->are_7_bits() ? '7' : '8';
    total += rounded(matrix->size_bytes(), kCacheLine);
  }
  header += '\n';
  header.resize(begin, '\0');
  const fs::path path = packed_path(source.model.path(), source.level);
  WEFT_TRY(file, StreamedFile::create(path, {.size_bytes = total, .free_bytes = {}}));
  WEFT_TRY_VOID(file.append(std::as_bytes(std::span(header))));
  std::uint64_t done = begin;
  constexpr std::byte kZeros[kCacheLine] = {};
  for (const Matrix* matrix : matrices) {
    for (auto left = std::as_bytes(matrix->bytes()); !left.empty();) {
      if (options.stop.stop_requested()) return Error{ErrorCode::kCancelled, "packing was stopped"};
      const auto piece = left.first(std::min(left.size(), kWriteBytes));
      WEFT_TRY_VOID(file.append(piece));
      left = left.subspan(piece.size());
      done += piece.size();
      if (options.on_progress) options.on_progress(done, total);
    }
    const std::size_t bytes = matrix->size_bytes();
    WEFT_TRY_VOID(file.append(std::span(kZeros).first(rounded(bytes, kCacheLine) - bytes)));
  }
  WEFT_TRY_VOID(file.publish());
  return path;
}

}  // namespace weft::inference::cpu
