#include "storage/crypto_library.h"

#include <type_traits>

#include "base/shared_library.h"

namespace weft::storage {
namespace {

Result<Crypto> find_functions() {
  WEFT_TRY(library, SharedLibrary::open("libcrypto.so.3", "to seal what runs record"));
  Crypto found;
#define WEFT_CRYPTO_FIND(name)                                                                  \
  {                                                                                             \
    WEFT_TRY(function, library.function<std::remove_pointer_t<decltype(Crypto::name)>>(#name)); \
    found.name = function;                                                                      \
  }
  WEFT_CRYPTO_FUNCTIONS(WEFT_CRYPTO_FIND)
#undef WEFT_CRYPTO_FIND
  return found;
}

}  // namespace

Result<const Crypto*> crypto() {
  static const Result<Crypto> functions = find_functions();
  if (!functions) return functions.error();
  return &*functions;
}

}  // namespace weft::storage
