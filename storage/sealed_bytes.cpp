#include "storage/sealed_bytes.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string>

#include "storage/crypto_library.h"

namespace weft::storage {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

struct Free {
  decltype(Crypto::EVP_CIPHER_CTX_free) free;
  void operator()(EVP_CIPHER_CTX* context) const noexcept { free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, Free>;

const unsigned char* plain(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}
unsigned char* plain(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

// The calls on a context fail only without memory or without the algorithm.
void require(int ok) {
  if (ok != 1) throw std::bad_alloc();
}

Context begin(const Crypto& ssl, const SealKey& key, const std::byte* nonce, std::string_view place,
              bool encrypts) {
  Context context(ssl.EVP_CIPHER_CTX_new(), Free{ssl.EVP_CIPHER_CTX_free});
  if (!context) throw std::bad_alloc();
  require(ssl.EVP_CipherInit_ex(context.get(), ssl.EVP_aes_256_gcm(), nullptr, plain(key.data()),
                                plain(nonce), encrypts ? 1 : 0));
  int length = 0;
  require(ssl.EVP_CipherUpdate(context.get(), nullptr, &length,
                               reinterpret_cast<const unsigned char*>(place.data()),
                               static_cast<int>(place.size())));
  return context;
}

/// At most 256 bytes, which the kernel gives all at once.
Result<void> fill_random(std::span<std::byte> bytes) {
  const auto got = ::getrandom(bytes.data(), bytes.size(), 0);
  if (got == static_cast<ssize_t>(bytes.size())) return {};
  return Error{ErrorCode::kIo,
               std::string("the system gives no random numbers: ") + std::strerror(errno)};
}

}  // namespace

Result<SealKey> make_seal_key() {
  SealKey key{};
  WEFT_TRY_VOID(fill_random(key));
  return key;
}

Result<std::vector<std::byte>> seal(const SealKey& key, std::string_view place,
                                    std::span<const std::byte> bytes) {
  if (bytes.size() > std::numeric_limits<int>::max() - kNonceBytes - kTagBytes) {
    return Error{ErrorCode::kResourceExhausted, "a sealed value may have 2 GiB at most"};
  }
  WEFT_TRY(ssl, crypto());
  std::vector<std::byte> sealed(kNonceBytes + bytes.size() + kTagBytes);
  WEFT_TRY_VOID(fill_random(std::span(sealed).first(kNonceBytes)));
  const Context context = begin(*ssl, key, sealed.data(), place, true);
  int length = 0;
  std::byte* body = sealed.data() + kNonceBytes;
  require(ssl->EVP_CipherUpdate(context.get(), plain(body), &length, plain(bytes.data()),
                                static_cast<int>(bytes.size())));
  require(ssl->EVP_CipherFinal_ex(context.get(), plain(body) + length, &length));
  require(ssl->EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                                   body + bytes.size()));
  return sealed;
}

Result<std::vector<std::byte>> unseal(const SealKey& key, std::string_view place,
                                      std::span<const std::byte> sealed) {
  const Error wrong{ErrorCode::kCorrupt,
                    "sealed bytes were changed, or belong to another place or key"};
  if (sealed.size() < kNonceBytes + kTagBytes ||
      sealed.size() > std::size_t{std::numeric_limits<int>::max()}) {
    return wrong;
  }
  WEFT_TRY(ssl, crypto());
  std::vector<std::byte> bytes(sealed.size() - kNonceBytes - kTagBytes);
  const Context context = begin(*ssl, key, sealed.data(), place, false);
  int length = 0;
  require(ssl->EVP_CipherUpdate(context.get(), plain(bytes.data()), &length,
                                plain(sealed.data() + kNonceBytes),
                                static_cast<int>(bytes.size())));
  std::array<std::byte, kTagBytes> tag{};
  std::copy(sealed.end() - kTagBytes, sealed.end(), tag.begin());
  require(ssl->EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()));
  unsigned char rest = 0;
  if (ssl->EVP_CipherFinal_ex(context.get(), &rest, &length) != 1) return wrong;
  return bytes;
}

}  // namespace weft::storage
