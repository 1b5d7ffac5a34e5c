#include "base/sha256.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "base/sha256_blocks.h"

namespace weft {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20;

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

}  // namespace

void Sha256::update(std::span<const std::byte> bytes) {
  const Sha256Blocks hash_blocks = sha256_blocks_best();
  const std::size_t begun = bytes_ % kSha256BlockBytes;
  bytes_ += bytes.size();
  if (begun != 0) {
    const auto part = bytes.first(std::min(bytes.size(), kSha256BlockBytes - begun));
    std::ranges::copy(part, begun_.begin() + static_cast<std::ptrdiff_t>(begun));
    bytes = bytes.subspan(part.size());
    if (begun + part.size() < kSha256BlockBytes) return;
    hash_blocks(state_, begun_.data(), 1);
  }
  const std::size_t blocks = bytes.size() / kSha256BlockBytes;
  hash_blocks(state_, bytes.data(), blocks);
  std::ranges::copy(bytes.subspan(blocks * kSha256BlockBytes), begun_.begin());
}

// Section 5.1.1: a 1 bit, zeros, and the length in bits end the last block.
Digest Sha256::digest() const {
  Sha256 padded = *this;
  constexpr std::size_t kLengthBytes = 8;
  const std::size_t begun = bytes_ % kSha256BlockBytes;
  const std::size_t room = kSha256BlockBytes - kLengthBytes;
  const std::size_t size = (begun < room ? kSha256BlockBytes : 2 * kSha256BlockBytes) - begun;
  std::array<std::byte, 2 * kSha256BlockBytes> padding = {std::byte{0x80}};
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    padding[size - 1 - i] = static_cast<std::byte>(bytes_ * 8 >> 8 * i);
  }
  padded.update(std::span(padding).first(size));
  Digest digest{};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<std::byte>(padded.state_[i / 4] >> (24 - i % 4 * 8));
  }
  return digest;
}

std::string Sha256::hex_digest() const { return to_hex(digest()); }

std::string to_hex(const Digest& digest) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * digest.size());
  for (const std::byte byte : digest) {
    hex += kHex[std::to_integer<unsigned>(byte) >> 4];
    hex += kHex[std::to_integer<unsigned>(byte) & 15];
  }
  return hex;
}

Result<std::string> sha256_file(const std::filesystem::path& path, const HashProgress& on_progress,
                                std::stop_token stop) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rbe"));
  if (!file) {
    const int cause = errno;
    return Error{cause == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
                 "cannot open " + path.string() + ": " + std::strerror(cause)};
  }
  std::error_code ignored;
  const std::uintmax_t size = std::filesystem::file_size(path, ignored);
  const std::uint64_t total = ignored ? 0 : size;
  Sha256 hash;
  std::vector<std::byte> buffer(kReadBytes);
  std::uint64_t done = 0;
  while (true) {
    if (stop.stop_requested()) {
      return Error{ErrorCode::kCancelled, "hashing " + path.string() + " was cancelled"};
    }
    const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), file.get());
    hash.update(std::span(buffer).first(n));
    done += n;
    if (on_progress) on_progress(done, total);
    if (n < buffer.size()) break;
  }
  if (std::ferror(file.get()) != 0) {
    return Error{ErrorCode::kIo, "cannot read " + path.string() + ": " + std::strerror(errno)};
  }
  return hash.hex_digest();
}

}  // namespace weft
