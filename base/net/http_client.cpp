#include "base/net/http_client.h"

#include <algorithm>

namespace weft::net {
namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace

std::optional<std::string_view> HttpHead::header(std::string_view name) const {
  const auto found = std::ranges::find_if(
      headers, [name](const HttpHeader& header) { return equal_ignoring_case(header.name, name); });
  if (found == headers.end()) return std::nullopt;
  return found->value;
}

Result<HttpResponse> OfflineHttpClient::send(const HttpRequest& request) {
  // The query may hold a secret: name the URL without it.
  return Error{ErrorCode::kPermissionDenied, "offline: did not connect to " +
                                                 request.url.substr(0, request.url.find('?')) +
                                                 "; run again without --offline to allow it"};
}

}  // namespace weft::net
