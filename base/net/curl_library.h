#pragma once
// libcurl's functions, found when the first URL is read or request is made. Private to the HTTP
// client.

#include <curl/curl.h>

#include "base/result.h"

namespace weft::net {

// Each is libcurl's function of that name with "curl_" before.
#define WEFT_CURL_FUNCTIONS(EACH) \
  EACH(easy_cleanup)              \
  EACH(easy_getinfo)              \
  EACH(easy_init)                 \
  EACH(easy_reset)                \
  EACH(easy_setopt)               \
  EACH(easy_strerror)             \
  EACH(free)                      \
  EACH(global_cleanup)            \
  EACH(global_init)               \
  EACH(multi_add_handle)          \
  EACH(multi_cleanup)             \
  EACH(multi_info_read)           \
  EACH(multi_init)                \
  EACH(multi_perform)             \
  EACH(multi_poll)                \
  EACH(multi_remove_handle)       \
  EACH(multi_strerror)            \
  EACH(multi_wakeup)              \
  EACH(slist_append)              \
  EACH(slist_free_all)            \
  EACH(url)                       \
  EACH(url_cleanup)               \
  EACH(url_get)                   \
  EACH(url_set)                   \
  EACH(url_strerror)

struct Curl {
#define WEFT_CURL_FIELD(name) decltype(&::curl_##name) name = nullptr;
  WEFT_CURL_FUNCTIONS(WEFT_CURL_FIELD)
#undef WEFT_CURL_FIELD
};

/// Loads libcurl, once. Errors: those of SharedLibrary.
Result<void> load_curl();

/// The functions, after a load_curl() that succeeded.
const Curl& curl() noexcept;

}  // namespace weft::net
