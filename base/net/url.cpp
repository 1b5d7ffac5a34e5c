#include "base/net/url.h"

#include <charconv>
#include <memory>

#include "base/net/curl_library.h"

namespace weft::net {
namespace {

struct FreeUrl {
  void operator()(CURLU* url) const noexcept { curl().url_cleanup(url); }
};

std::string part_of(CURLU* url, CURLUPart part, unsigned flags) {
  char* text = nullptr;
  if (curl().url_get(url, part, &text, flags) != CURLUE_OK || text == nullptr) return {};
  std::string out(text);
  curl().free(text);
  return out;
}

}  // namespace

Result<Url> parse_url(const std::string& base, const std::string& reference) {
  WEFT_TRY_VOID(load_curl());
  const std::unique_ptr<CURLU, FreeUrl> parsed(curl().url());
  CURLUcode code = CURLUE_OUT_OF_MEMORY;
  if (parsed) code = CURLUE_OK;
  for (const std::string* text : {&base, &reference}) {
    if (code != CURLUE_OK || (text == &base && base.empty())) continue;
    if (text->find('\0') != std::string::npos) code = CURLUE_MALFORMED_INPUT;
    if (code == CURLUE_OK) {
      code = curl().url_set(parsed.get(), CURLUPART_URL, text->c_str(), CURLU_DISALLOW_USER);
    }
  }
  if (code != CURLUE_OK) {
    return Error{ErrorCode::kInvalidArgument,
                 std::string("this URL can't be used: ") + curl().url_strerror(code)};
  }
  Url url;
  url.text = part_of(parsed.get(), CURLUPART_URL, 0);
  url.scheme = part_of(parsed.get(), CURLUPART_SCHEME, 0);
  url.host = part_of(parsed.get(), CURLUPART_HOST, 0);
  if (url.host.starts_with('[') && url.host.ends_with(']')) {
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  const std::string port = part_of(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::from_chars(port.data(), port.data() + port.size(), url.port);
  if (url.scheme != "http" && url.scheme != "https") {
    return Error{ErrorCode::kInvalidArgument,
                 "scheme \"" + url.scheme + "\" is not allowed: only http and https are"};
  }
  if (url.host.empty() || url.port == 0) {
    return Error{ErrorCode::kInvalidArgument, "this URL has no host or no valid port"};
  }
  return url;
}

}  // namespace weft::net
