#include "storage/sealed_bytes.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <limits>
#include <memory>
#include <new>

namespace weft::storage {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

struct Free {
  void operator()(EVP_CIPHER_CTX* context) const noexcept { EVP_CIPHER_CTX_free(context); }
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

Context begin(const SealKey& key, const std::byte* nonce, std::string_view place, bool encrypts) {
  Context context(EVP_CIPHER_CTX_new());
  if (!context) throw std::bad_alloc();
  require(EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, plain(key.data()),
                            plain(nonce), encrypts ? 1 : 0));
  int length = 0;
  require(EVP_CipherUpdate(context.get(), nullptr, &length,
                           reinterpret_cast<const unsigned char*>(place.data()),
                           static_cast<int>(place.size())));
  return context;
}

Result<void> fill_random(std::span<std::byte> bytes) {
  if (RAND_bytes(plain(bytes.data()), static_cast<int>(bytes.size())) == 1) return {};
  return Error{ErrorCode::kIo, "the system gives no random numbers to make a key from"};
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
  std::vector<std::byte> sealed(kNonceBytes + bytes.size() + kTagBytes);
  WEFT_TRY_VOID(fill_random(std::span(sealed).first(kNonceBytes)));
  const Context context = begin(key, sealed.data(), place, true);
  int length = 0;
  std::byte* body = sealed.data() + kNonceBytes;
  require(EVP_CipherUpdate(context.get(), plain(body), &length, plain(bytes.data()),
                           static_cast<int>(bytes.size())));
  require(EVP_CipherFinal_ex(context.get(), plain(body) + length, &length));
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, body + bytes.size()));
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
  std::vector<std::byte> bytes(sealed.size() - kNonceBytes - kTagBytes);
  const Context context = begin(key, sealed.data(), place, false);
  int length = 0;
  require(EVP_CipherUpdate(context.get(), plain(bytes.data()), &length,
                           plain(sealed.data() + kNonceBytes), static_cast<int>(bytes.size())));
  std::array<std::byte, kTagBytes> tag{};
  std::copy(sealed.end() - kTagBytes, sealed.end(), tag.begin());
  require(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()));
  unsigned char rest = 0;
  if (EVP_CipherFinal_ex(context.get(), &rest, &length) != 1) return wrong;
  return bytes;
}

}  // namespace weft::storage
