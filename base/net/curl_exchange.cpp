#include "base/net/curl_exchange.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "base/guard.h"

namespace weft::net {
namespace {

constexpr std::uint64_t kErrorBodyBytesMax = std::uint64_t{64} << 10;
constexpr std::size_t kHeaderBytesMax = std::size_t{256} << 10;

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t from = text.find_first_not_of(kSpace);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kSpace) + 1 - from);
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return number;
}

/// Keeps the first failure, and gives the return value that makes libcurl stop.
std::size_t fail(Exchange& exchange, Error error) {
  if (!exchange.failure) exchange.failure = std::move(error);
  return 0;
}

Result<void> check_head(Exchange& exchange) {
  const HttpResponse& head = exchange.response;
  const HttpRequest& request = exchange.request;
  const auto encoding = head.header("Content-Encoding");
  if (encoding && *encoding != "identity" && !encoding->empty()) {
    return Error{ErrorCode::kUnsupported, "the body came encoded as " + std::string(*encoding) +
                                              ", which was not asked for"};
  }
  const auto length = head.header("Content-Length");
  if (head.ok() && length && request.method != "HEAD" &&
      number_of(*length).value_or(0) > request.body_bytes_max) {
    return Error{ErrorCode::kResourceExhausted, "the body has " + std::string(*length) +
                                                    " bytes, allowed are " +
                                                    std::to_string(request.body_bytes_max)};
  }
  constexpr int kPartialContent = 206;
  if (head.status == kPartialContent) {
    constexpr std::string_view kUnit = "bytes ";
    const auto range = head.header("Content-Range");
    if (!range || !range->starts_with(kUnit) ||
        number_of(range->substr(kUnit.size())) != request.resume_from) {
      return Error{ErrorCode::kNetwork, "the server sent another range than the one asked for"};
    }
  }
  if (!request.on_head) return {};
  return guarded([&] { return request.on_head(head); });
}

std::size_t end_of_head(Exchange& exchange, std::size_t size) {
  constexpr int kFirstFinal = 200;
  if (exchange.response.status < kFirstFinal || exchange.head_seen) return size;
  exchange.head_seen = true;
  if (is_redirect(exchange.response)) return size;
  const Result<void> checked = check_head(exchange);
  return checked ? size : fail(exchange, checked.error());
}

std::optional<std::pair<IpAddress, std::uint16_t>> address_of(const curl_sockaddr& socket_address) {
  IpAddress address;
  if (socket_address.family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &socket_address.addr, sizeof(v4));
    address.bytes[10] = address.bytes[11] = 0xff;
    std::memcpy(address.bytes.data() + 12, &v4.sin_addr, sizeof(v4.sin_addr));
    return std::pair(address, ntohs(v4.sin_port));
  }
  if (socket_address.family == AF_INET6) {
    // curl_sockaddr declares room for a sockaddr only, but libcurl keeps a sockaddr_in6 there.
    sockaddr_in6 v6{};
    const auto* raw =
        reinterpret_cast<const unsigned char*>(&socket_address) + offsetof(curl_sockaddr, addr);
    std::memcpy(&v6, raw, sizeof(v6));
    std::memcpy(address.bytes.data(), &v6.sin6_addr, sizeof(v6.sin6_addr));
    return std::pair(address, ntohs(v6.sin6_port));
  }
  return std::nullopt;
}

}  // namespace

bool is_redirect(const HttpHead& head) {
  constexpr int kStatuses[] = {301, 302, 303, 307, 308};
  return std::ranges::count(kStatuses, head.status) > 0 && head.header("Location");
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* context) {
  Exchange& exchange = *static_cast<Exchange*>(context);
  exchange.header_bytes += size;
  if (exchange.header_bytes > kHeaderBytesMax) {
    return fail(exchange, {ErrorCode::kResourceExhausted, "the answer's headers don't end"});
  }
  const std::string_view line = trim({data, size});
  if (line.empty()) return end_of_head(exchange, size);
  if (exchange.head_seen) return size;  // a trailer
  if (line.starts_with("HTTP/")) {
    exchange.response.headers.clear();
    const std::size_t space = line.find(' ');
    const auto status =
        space == std::string_view::npos ? std::nullopt : number_of(trim(line.substr(space)));
    constexpr std::uint64_t kStatusMax = 999;
    exchange.response.status = static_cast<int>(std::min(status.value_or(0), kStatusMax));
  } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
    exchange.response.headers.push_back(
        {std::string(trim(line.substr(0, colon))), std::string(trim(line.substr(colon + 1)))});
  }
  return size;
}

std::size_t on_body(char* data, std::size_t, std::size_t size, void* context) {
  Exchange& exchange = *static_cast<Exchange*>(context);
  HttpResponse& response = exchange.response;
  response.body_bytes += size;
  if (!response.ok()) {
    // An error's body explains it; the rest of a long one, and a redirect's, isn't read.
    if (response.body_bytes > kErrorBodyBytesMax) {
      exchange.enough = true;
      return 0;
    }
    response.body.append(data, size);
    return size;
  }
  if (response.body_bytes > exchange.request.body_bytes_max) {
    return fail(exchange, {ErrorCode::kResourceExhausted,
                           "the body has more than the " +
                               std::to_string(exchange.request.body_bytes_max) + " bytes allowed"});
  }
  if (!exchange.request.on_data) {
    response.body.append(data, size);
    return size;
  }
  const Result<void> taken = guarded(
      [&] { return exchange.request.on_data(std::as_bytes(std::span<const char>(data, size))); });
  return taken ? size : fail(exchange, taken.error());
}

curl_socket_t on_open_socket(void* context, curlsocktype purpose, curl_sockaddr* wanted) {
  Exchange& exchange = *static_cast<Exchange*>(context);
  // Once one of a name's addresses was refused, the others aren't tried.
  if (exchange.failure || purpose != CURLSOCKTYPE_IPCXN) return CURL_SOCKET_BAD;
  const auto address = address_of(*wanted);
  const Result<void> allowed =
      address ? exchange.policy.check(address->first, address->second, exchange.url.host)
              : Error{ErrorCode::kPermissionDenied, "only IPv4 and IPv6 are allowed"};
  if (!allowed) {
    fail(exchange, allowed.error());
    return CURL_SOCKET_BAD;
  }
  return ::socket(wanted->family, wanted->socktype | SOCK_CLOEXEC, wanted->protocol);
}

}  // namespace weft::net
