#include "base/net/curl_library.h"

#include <cassert>
#include <type_traits>

#include "base/shared_library.h"

namespace weft::net {
namespace {

Result<Curl> find_functions() {
  WEFT_TRY(library, SharedLibrary::open("libcurl.so.4", "to reach the network"));
  Curl found;
#define WEFT_CURL_FIND(name)                                                                \
  {                                                                                         \
    WEFT_TRY(function,                                                                      \
             library.function<std::remove_pointer_t<decltype(Curl::name)>>("curl_" #name)); \
    found.name = function;                                                                  \
  }
  WEFT_CURL_FUNCTIONS(WEFT_CURL_FIND)
#undef WEFT_CURL_FIND
  return found;
}

const Result<Curl>& loaded() {
  static const Result<Curl> functions = find_functions();
  return functions;
}

}  // namespace

Result<void> load_curl() {
  if (!loaded()) return loaded().error();
  return {};
}

const Curl& curl() noexcept {
  assert(loaded());
  return *loaded();
}

}  // namespace weft::net
