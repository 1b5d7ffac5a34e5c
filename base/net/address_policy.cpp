#include "base/net/address_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace weft::net {
namespace {

constexpr std::size_t kV4At = 12;  // where ::ffff:a.b.c.d has its a
constexpr int kV4PrefixBits = 96;

struct Block {
  std::array<std::uint8_t, 16> start;
  int bits;
};

bool within(const std::array<std::uint8_t, 16>& bytes, const std::array<std::uint8_t, 16>& start,
            int bits) noexcept {
  for (int i = 0; bits > 0; ++i, bits -= 8) {
    const auto mask = static_cast<std::uint8_t>(bits >= 8 ? 0xff : 0xff << (8 - bits));
    const auto at = static_cast<std::size_t>(i);
    if ((bytes[at] & mask) != (start[at] & mask)) return false;
  }
  return true;
}

// IANA IPv4 Special-Purpose Address Registry, and 224/4 and 240/4.
bool is_global_v4(std::uint32_t address) noexcept {
  struct BlockV4 {
    std::uint32_t start;
    int bits;
  };
  constexpr BlockV4 kNotGlobal[] = {
      {0x00000000, 8},   // this network
      {0x0a000000, 8},   // private
      {0x64400000, 10},  // carrier-grade NAT
      {0x7f000000, 8},   // loopback
      {0xa9fe0000, 16},  // link-local, where clouds keep their metadata
      {0xac100000, 12},  // private
      {0xc0000000, 24},  // protocol assignments
      {0xc0000200, 24},  // documentation
      {0xc0586300, 24},  // 6to4 relays
      {0xc0a80000, 16},  // private
      {0xc6120000, 15},  // benchmarks
      {0xc6336400, 24},  // documentation
      {0xcb007100, 24},  // documentation
      {0xe0000000, 4},   // multicast
      {0xf0000000, 4},   // reserved, broadcast
  };
  return std::ranges::none_of(kNotGlobal, [address](const BlockV4& block) {
    return ((address ^ block.start) >> (32 - block.bits)) == 0;
  });
}

std::uint32_t v4_at(const std::array<std::uint8_t, 16>& bytes, std::size_t at) noexcept {
  return static_cast<std::uint32_t>(bytes[at]) << 24 |
         static_cast<std::uint32_t>(bytes[at + 1]) << 16 |
         static_cast<std::uint32_t>(bytes[at + 2]) << 8 | bytes[at + 3];
}

std::string lower_host(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  std::string out(host);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

bool IpAddress::is_v4() const noexcept {
  constexpr std::array<std::uint8_t, 16> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return within(bytes, kMapped, kV4PrefixBits);
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_v4()) {
    ::inet_ntop(AF_INET, bytes.data() + kV4At, text.data(), text.size());
  } else {
    ::inet_ntop(AF_INET6, bytes.data(), text.data(), text.size());
  }
  return text.data();
}

std::optional<IpAddress> parse_address(std::string_view text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') {
    text = text.substr(1, text.size() - 2);
  }
  IpAddress address;
  if (text.find(':') != std::string_view::npos) {
    const std::string without_zone(text.substr(0, text.find('%')));
    if (::inet_pton(AF_INET6, without_zone.c_str(), address.bytes.data()) != 1) return std::nullopt;
    return address;
  }
  if (text.ends_with('.')) text.remove_suffix(1);
  // inet_aton stops at white space and takes what precedes it.
  if (text.find_first_not_of("0123456789abcdefABCDEFxX.") != std::string_view::npos) {
    return std::nullopt;
  }
  in_addr v4{};
  if (::inet_aton(std::string(text).c_str(), &v4) == 0) return std::nullopt;
  address.bytes[10] = address.bytes[11] = 0xff;
  std::memcpy(address.bytes.data() + kV4At, &v4, sizeof(v4));
  return address;
}

bool is_global(const IpAddress& address) noexcept {
  const auto& bytes = address.bytes;
  if (address.is_v4()) return is_global_v4(v4_at(bytes, kV4At));
  constexpr Block kNat64 = {{0x00, 0x64, 0xff, 0x9b}, 96};
  if (within(bytes, kNat64.start, kNat64.bits)) return is_global_v4(v4_at(bytes, kV4At));
  constexpr Block kUnicast = {{0x20}, 3};  // all that IANA allots; ULA, link-local... lie outside
  if (!within(bytes, kUnicast.start, kUnicast.bits)) return false;
  constexpr Block kNotGlobal[] = {
      {{0x20, 0x01}, 23},              // protocol assignments: Teredo, benchmarks, ORCHID
      {{0x20, 0x01, 0x0d, 0xb8}, 32},  // documentation
      {{0x3f, 0xff}, 20},              // documentation
  };
  for (const Block& block : kNotGlobal) {
    if (within(bytes, block.start, block.bits)) return false;
  }
  constexpr Block k6to4 = {{0x20, 0x02}, 16};
  if (within(bytes, k6to4.start, k6to4.bits) && !is_global_v4(v4_at(bytes, 2))) return false;
  // ISATAP (RFC 5214): the host's part is [02]00:5efe:a.b.c.d.
  const bool isatap =
      (bytes[8] & 0xfd) == 0 && bytes[9] == 0 && bytes[10] == 0x5e && bytes[11] == 0xfe;
  return !isatap || is_global_v4(v4_at(bytes, kV4At));
}

Result<AddressPolicy> AddressPolicy::open(std::span<const std::string> allowed) {
  AddressPolicy policy;
  for (const std::string& text : allowed) {
    WEFT_TRY(entry, parse_entry(text));
    policy.entries_.push_back(std::move(entry));
  }
  return policy;
}

Result<AddressPolicy::Entry> AddressPolicy::parse_entry(const std::string& text) {
  const auto wrong = [&text](std::string_view why) {
    return Error{ErrorCode::kInvalidArgument,
                 "allowed address \"" + text + "\": " + std::string(why) +
                     "; write HOST, HOST:PORT, ADDRESS, [IPV6]:PORT or ADDRESS/BITS"};
  };
  Entry entry;
  std::string_view host = text;
  // A port follows "]:" or the only colon.
  const std::size_t colon = host.rfind(':');
  const bool has_port = colon != std::string_view::npos &&
                        (host.find(':') == colon || (colon > 0 && host[colon - 1] == ']'));
  if (has_port) {
    entry.port = parse_number<std::uint16_t>(host.substr(colon + 1));
    if (!entry.port || *entry.port == 0) return wrong("its port is no number from 1 to 65535");
    host = host.substr(0, colon);
  }
  std::optional<int> bits;
  if (const std::size_t slash = host.find('/'); slash != std::string_view::npos) {
    bits = parse_number<int>(host.substr(slash + 1));
    if (!bits) return wrong("what follows / is no number");
    host = host.substr(0, slash);
  }
  if (const auto address = parse_address(host)) {
    const int bits_max = address->is_v4() ? 32 : 128;
    if (bits && (*bits < 0 || *bits > bits_max)) return wrong("there are not that many bits");
    entry.address = *address;
    entry.prefix_bits = 128 - bits_max + bits.value_or(bits_max);
    return entry;
  }
  if (bits) return wrong("what precedes / is no address");
  constexpr std::string_view kHostLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
  if (host.empty() || host.find_first_not_of(kHostLetters) != std::string_view::npos) {
    return wrong("it is neither a host name nor an address");
  }
  entry.host = lower_host(host);
  return entry;
}

bool AddressPolicy::covers(const Entry& entry, const IpAddress& address) noexcept {
  return entry.host.empty() && within(address.bytes, entry.address.bytes, entry.prefix_bits);
}

Result<void> AddressPolicy::check(const IpAddress& address, std::uint16_t port,
                                  std::string_view host) const {
  if (is_global(address)) return {};
  const std::string name = lower_host(host);
  for (const Entry& entry : entries_) {
    if (entry.port && *entry.port != port) continue;
    if (covers(entry, address) || (!entry.host.empty() && entry.host == name)) return {};
  }
  return Error{ErrorCode::kPermissionDenied,
               "refused to connect to " + std::string(host) + " port " + std::to_string(port) +
                   ": " + address.to_string() +
                   " is not a public address; if you trust it, add it to the allowed addresses"};
}

bool AddressPolicy::names_port(std::string_view host, std::uint16_t port) const {
  const std::string name = lower_host(host);
  const auto address = parse_address(host);
  return std::ranges::any_of(entries_, [&](const Entry& entry) {
    return entry.port == port && (address ? covers(entry, *address) : entry.host == name);
  });
}

}  // namespace weft::net
