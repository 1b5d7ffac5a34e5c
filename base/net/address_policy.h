#pragma once
// Which addresses Weft may connect to. Public ones, and what the user allowed; so a URL from a
// model, a document or a redirect can't reach this machine or its network (SSRF).

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::net {

/// IPv6, or IPv4 as ::ffff:a.b.c.d.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};

  bool is_v4() const noexcept;
  std::string to_string() const;
  friend bool operator==(const IpAddress&, const IpAddress&) = default;
};

/// Any form that a resolver takes for an address without asking DNS: dotted decimal, octal and hex
/// with one to four parts (inet_aton), IPv6 with or without brackets and zone.
std::optional<IpAddress> parse_address(std::string_view text);

/// True if the address is one host somewhere on the public Internet. False for the blocks of the
/// IANA special-purpose registries, multicast and what isn't allocated. Mapped, 6to4, NAT64 and
/// ISATAP forms carry an IPv4 address, which must be global too; Teredo never is.
bool is_global(const IpAddress& address) noexcept;

class AddressPolicy {
 public:
  /// Only global addresses.
  AddressPolicy() = default;

  /// Allows besides what `allowed` lists: "10.0.0.0/8", "127.0.0.1:8080", "[::1]:8080", "fd00::/8",
  /// or a host name as it stands in URLs, "localhost" or "gpu.lan:8000". Without a port, all.
  /// Errors: kInvalidArgument names the entry.
  static Result<AddressPolicy> open(std::span<const std::string> allowed);

  /// For the address about to be dialled for `host`.
  /// Errors: kPermissionDenied says what to add to the list.
  Result<void> check(const IpAddress& address, std::uint16_t port, std::string_view host) const;
  /// True if the list names host (or address) and exactly this port.
  bool names_port(std::string_view host, std::uint16_t port) const;

 private:
  struct Entry {
    std::string host;   // lower case; empty for an address block
    IpAddress address;  // the block's beginning
    int prefix_bits = 128;
    std::optional<std::uint16_t> port;
  };
  static Result<Entry> parse_entry(const std::string& text);
  static bool covers(const Entry& entry, const IpAddress& address) noexcept;

  std::vector<Entry> entries_;
};

}  // namespace weft::net
