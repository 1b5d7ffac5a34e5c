#pragma once
// What libcurl's callbacks do with one hop of a request. Private to the HTTP client.

#include <curl/curl.h>

#include <cstddef>
#include <optional>

#include "base/net/address_policy.h"
#include "base/net/http_client.h"
#include "base/net/url.h"

namespace weft::net {

/// One hop of a request: the callbacks' context.
struct Exchange {
  const HttpRequest& request;
  const AddressPolicy& policy;
  const Url& url;
  HttpResponse response;
  std::optional<Error> failure;  // why a callback ended the transfer
  std::size_t header_bytes = 0;
  bool head_seen = false;
  bool enough = false;  // a redirect whose body isn't wanted
};

/// True for a status that points on to a Location.
bool is_redirect(const HttpHead& head);

// For CURLOPT_HEADERFUNCTION, CURLOPT_WRITEFUNCTION and CURLOPT_OPENSOCKETFUNCTION.
std::size_t on_header(char* data, std::size_t one, std::size_t size, void* context);
std::size_t on_body(char* data, std::size_t one, std::size_t size, void* context);
/// The only place where a socket is made: for an address that the policy has just checked.
curl_socket_t on_open_socket(void* context, curlsocktype purpose, curl_sockaddr* wanted);

}  // namespace weft::net
