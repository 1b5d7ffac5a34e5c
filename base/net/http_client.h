#pragma once
// One HTTP request and its answer. Who may be reached, and how often a redirect is followed, is
// decided behind this interface, in one place for everything that Weft sends.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::net {

struct HttpHeader {
  std::string name;
  std::string value;
};

/// Status line and headers; names are compared case aside.
struct HttpHead {
  std::string url;
  int status = 0;
  std::vector<HttpHeader> headers;

  std::optional<std::string_view> header(std::string_view name) const;  // the first of that name
  bool ok() const noexcept { return status >= 200 && status < 300; }
};

struct HttpResponse : HttpHead {
  std::vector<HttpHead> redirects;  // the answers that pointed on to this one, in order
  std::string body;                 // empty if on_data took it
  std::uint64_t body_bytes = 0;     // received, by either way
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;                  // http or https, without user and password
  std::vector<HttpHeader> headers;  // all but harmless ones stay behind at a change of origin
  std::string body;

  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds idle_timeout{20'000};   // without a byte either way
  std::chrono::milliseconds total_timeout{20'000};  // over all redirects; 0: no limit
  std::uint64_t body_bytes_max = std::uint64_t{5} << 20;

  /// Asks for the body from this byte on. A server may send all of it: see the status (206 or 200)
  /// in on_head. A 206 that begins elsewhere is an error.
  std::uint64_t resume_from = 0;

  /// Called once with the final answer's head, before its body. An Error ends the request.
  std::function<Result<void>(const HttpResponse& head)> on_head;
  /// Called with the body of a 2xx answer as it comes (others are kept in `body`, at most 64 KiB
  /// of them). An Error ends the request. Empty: all is kept.
  std::function<Result<void>(std::span<const std::byte>)> on_data;

  std::stop_token stop;
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;

  /// Blocks until the answer is complete. Any status is an answer, not an error. Thread-safe.
  /// Errors: kInvalidArgument (URL, header or method); kPermissionDenied (address policy, offline);
  /// kNetwork (name, connection, TLS, a body cut short); kDeadlineExceeded; kCancelled;
  /// kResourceExhausted (body_bytes_max, too many redirects); those of the callbacks.
  virtual Result<HttpResponse> send(const HttpRequest& request) = 0;
};

/// Refuses everything and opens no socket: `--offline`.
class OfflineHttpClient final : public HttpClient {
 public:
  Result<HttpResponse> send(const HttpRequest& request) override;
};

}  // namespace weft::net
