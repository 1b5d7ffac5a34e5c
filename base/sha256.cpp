#include "base/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace weft {
namespace {

constexpr std::size_t kReadBytes = std::size_t{1} << 20;

// EVP's digest calls fail only without memory or without the algorithm: neither is the caller's.
void require(int ok) {
  if (ok != 1) throw std::bad_alloc();
}

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const noexcept { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_) throw std::bad_alloc();
  require(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

void Sha256::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
}

Digest Sha256::digest() const {
  const std::unique_ptr<evp_md_ctx_st, Free> copy(EVP_MD_CTX_new());
  if (!copy) throw std::bad_alloc();
  require(EVP_MD_CTX_copy_ex(copy.get(), context_.get()));
  Digest digest{};
  require(EVP_DigestFinal_ex(copy.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr));
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
