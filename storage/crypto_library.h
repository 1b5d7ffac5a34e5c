#pragma once
// OpenSSL's functions that seal bytes, found when the first are sealed: the library is 3 MB in
// memory, and few programs record runs. Private to storage.

#include <openssl/evp.h>

#include "base/result.h"

namespace weft::storage {

#define WEFT_CRYPTO_FUNCTIONS(EACH) \
  EACH(EVP_CIPHER_CTX_ctrl)         \
  EACH(EVP_CIPHER_CTX_free)         \
  EACH(EVP_CIPHER_CTX_new)          \
  EACH(EVP_CipherFinal_ex)          \
  EACH(EVP_CipherInit_ex)           \
  EACH(EVP_CipherUpdate)            \
  EACH(EVP_aes_256_gcm)

struct Crypto {
#define WEFT_CRYPTO_FIELD(name) decltype(&::name) name = nullptr;
  WEFT_CRYPTO_FUNCTIONS(WEFT_CRYPTO_FIELD)
#undef WEFT_CRYPTO_FIELD
};

/// Loads libcrypto, once. Errors: those of SharedLibrary.
Result<const Crypto*> crypto();

}  // namespace weft::storage
