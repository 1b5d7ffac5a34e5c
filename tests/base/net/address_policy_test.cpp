#include "base/net/address_policy.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace weft::net {
namespace {

IpAddress address(const std::string& text) {
  const auto parsed = parse_address(text);
  INFO(text);
  REQUIRE(parsed);
  return *parsed;
}

TEST_CASE("addresses in blocks that aren't global are refused, to the block's last address") {
  for (const char* text : {"0.0.0.0",
                           "0.255.255.255",
                           "10.0.0.0",
                           "10.255.255.255",
                           "100.64.0.0",
                           "100.127.255.255",
                           "127.0.0.1",
                           "127.255.255.255",
                           "169.254.0.0",
                           "169.254.169.254",
                           "172.16.0.0",
                           "172.31.255.255",
                           "192.0.0.1",
                           "192.0.2.7",
                           "192.88.99.1",
                           "192.168.255.255",
                           "198.18.0.0",
                           "198.19.255.255",
                           "198.51.100.1",
                           "203.0.113.9",
                           "224.0.0.1",
                           "239.255.255.255",
                           "240.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "::7f00:1",
                           "::ffff:10.0.0.1",
                           "::ffff:7f00:1",
                           "64:ff9b::a00:1",
                           "64:ff9b::127.0.0.1",
                           "64:ff9b:1::1.1.1.1",
                           "100::1",
                           "2001::1",
                           "2001:2::1",
                           "2001:10::1",
                           "2001:db8::1",
                           "2002:a00:1::",
                           "2002:7f00:1::1",
                           "2002:a9fe:a9fe::",
                           "3fff::1",
                           "3fff:fff::1",
                           "5f00::1",
                           "fc00::1",
                           "fdff::1",
                           "fe80::1",
                           "febf::1",
                           "fec0::1",
                           "ff02::1",
                           "ff0e::1",
                           "2600::5efe:10.0.0.1",
                           "2600::200:5efe:127.0.0.1"}) {
    INFO(text);
    CHECK_FALSE(is_global(address(text)));
  }
}

TEST_CASE("addresses just beside those blocks are global") {
  for (const char* text : {"1.1.1.1",           "9.255.255.255",    "11.0.0.0",
                           "100.63.255.255",    "100.128.0.0",      "126.255.255.255",
                           "128.0.0.0",         "169.253.255.255",  "169.255.0.0",
                           "172.15.255.255",    "172.32.0.0",       "192.0.1.0",
                           "192.0.3.0",         "192.167.255.255",  "192.169.0.0",
                           "198.17.255.255",    "198.20.0.0",       "223.255.255.255",
                           "2600::1",           "2001:200::1",      "2001:4860:4860::8888",
                           "::ffff:8.8.8.8",    "64:ff9b::8.8.8.8", "2002:808:808::1",
                           "2600::5efe:8.8.8.8"}) {
    INFO(text);
    CHECK(is_global(address(text)));
  }
}

TEST_CASE("every way to write 127.0.0.1 is that address") {
  const IpAddress loopback = address("127.0.0.1");
  for (const char* text : {"127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1",
                           "017700000001", "0x7F.0x0.0x0.0x1", "127.0.0.1.", "::ffff:127.0.0.1",
                           "[::ffff:7f00:1]", "0000177.0.0.01"}) {
    INFO(text);
    CHECK(address(text) == loopback);
  }
  CHECK(loopback.to_string() == "127.0.0.1");
  CHECK(address("[fe80::1%25eth0]").to_string() == "fe80::1");
}

TEST_CASE("what is no address isn't taken for one") {
  for (const char* text : {"", ".", "localhost", "127.0.0.1 x", "256.0.0.1", "1.2.3.4.5", "1..2",
                           "0x", "4294967296", "08.0.0.1", "::1::", "[::1", "1.2.3.4/8"}) {
    INFO(text);
    CHECK_FALSE(parse_address(text));
  }
}

TEST_CASE("the policy allows what its list names, by address, block, host and port") {
  const auto policy = AddressPolicy::open(std::vector<std::string>{
      "127.0.0.1:8080", "10.1.0.0/16", "[::1]:9", "fd00::/8", "Gpu.Lan:8000", "localhost"});
  REQUIRE(policy);
  CHECK(policy->check(address("127.0.0.1"), 8080, "x"));
  CHECK_FALSE(policy->check(address("127.0.0.1"), 8081, "x"));
  CHECK_FALSE(policy->check(address("127.0.0.2"), 8080, "x"));
  CHECK(policy->check(address("10.1.255.1"), 1, "x"));
  CHECK_FALSE(policy->check(address("10.2.0.0"), 1, "x"));
  CHECK(policy->check(address("::1"), 9, "x"));
  CHECK_FALSE(policy->check(address("::1"), 10, "x"));
  CHECK(policy->check(address("fdab::1"), 10, "x"));
  CHECK_FALSE(policy->check(address("fc00::1"), 10, "x"));
  CHECK(policy->check(address("192.168.0.9"), 8000, "gpu.lan."));
  CHECK_FALSE(policy->check(address("192.168.0.9"), 8001, "gpu.lan"));
  CHECK_FALSE(policy->check(address("192.168.0.9"), 8000, "evil.gpu.lan"));
  CHECK(policy->check(address("127.0.0.1"), 1, "LOCALHOST"));
  CHECK(policy->check(address("8.8.8.8"), 1, "x"));
  CHECK(policy->names_port("gpu.lan", 8000));
  CHECK(policy->names_port("127.0.0.1", 8080));
  CHECK_FALSE(policy->names_port("127.0.0.1", 8081));
  CHECK_FALSE(policy->names_port("localhost", 8080));  // no port is named there
}

TEST_CASE("a refusal names the address and the way out") {
  const Error error = AddressPolicy().check(address("169.254.169.254"), 80, "meta.test").error();
  CHECK(error.code == ErrorCode::kPermissionDenied);
  CHECK(error.message ==
        "refused to connect to meta.test port 80: 169.254.169.254 is not a public address; if you "
        "trust it, add it to the allowed addresses");
}

TEST_CASE("a wrong entry of the list is refused by name") {
  for (const char* text :
       {"", ":80", "host:", "host:0", "host:65536", "host:8x", "10.0.0.0/33", "10.0.0.0/-1",
        "10.0.0.0/x", "host/8", "http://host", "a b", "::1/129"}) {
    INFO(text);
    const auto policy = AddressPolicy::open(std::vector<std::string>{text});
    REQUIRE_FALSE(policy);
    CHECK(policy.error().code == ErrorCode::kInvalidArgument);
    CHECK(policy.error().message.find('"' + std::string(text) + '"') != std::string::npos);
  }
}

}  // namespace
}  // namespace weft::net
