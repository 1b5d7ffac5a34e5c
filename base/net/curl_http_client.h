#pragma once
// HttpClient over libcurl, whose only user is the source file beside this header.

#include <cstddef>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/net/address_policy.h"
#include "base/net/http_client.h"

namespace weft::net {

/// The policy is asked about every address at the moment it is dialled, and about every redirect.
/// No proxy from the environment, no cookies, no user and password in URLs, no compressed bodies.
/// A redirect may not change the port (80 and 443 aside), nor go from https to http, nor carry a
/// request's body to another origin. Connections are kept for later requests.
class CurlHttpClient final : public HttpClient {
 public:
  struct Options {
    AddressPolicy policy;
    std::string user_agent = "weft";
    std::string ca_file;  // PEM; empty: the system's
    int redirects_max = 5;
    std::size_t idle_handles_max = 8;
  };

  /// Borrows `clock`. Errors: kNotFound if there is no libcurl, kInternal if it can't
  /// start.
  static Result<std::unique_ptr<CurlHttpClient>> open(const Clock& clock, Options options);
  ~CurlHttpClient() override;

  Result<HttpResponse> send(const HttpRequest& request) override;

 private:
  class Impl;
  explicit CurlHttpClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::net
