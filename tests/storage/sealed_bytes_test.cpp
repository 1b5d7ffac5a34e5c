#include "storage/sealed_bytes.h"

#include <catch2/catch.hpp>
#include <string>

namespace weft::storage {
namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST_CASE("sealed bytes come back with their key and place, and with nothing else") {
  const auto key = make_seal_key();
  REQUIRE(key);
  for (const std::string& text : {std::string(), std::string("a"), std::string(5000, 'x')}) {
    const auto sealed = seal(*key, "run/1", bytes_of(text));
    REQUIRE(sealed);
    CHECK(sealed->size() == text.size() + 28);
    CHECK(*unseal(*key, "run/1", *sealed) == bytes_of(text));
    CHECK(unseal(*key, "run/2", *sealed).error().code == ErrorCode::kCorrupt);
    CHECK(unseal(*make_seal_key(), "run/1", *sealed).error().code == ErrorCode::kCorrupt);
  }
}

TEST_CASE("a changed or cut byte of sealed ones is noticed") {
  const auto key = make_seal_key();
  const auto sealed = seal(*key, "place", bytes_of("some text"));
  for (std::size_t i = 0; i < sealed->size(); ++i) {
    auto changed = *sealed;
    changed[i] ^= std::byte{1};
    CHECK(unseal(*key, "place", changed).error().code == ErrorCode::kCorrupt);
    CHECK(unseal(*key, "place", std::span(*sealed).first(i)).error().code == ErrorCode::kCorrupt);
  }
}

TEST_CASE("the same bytes are sealed differently each time") {
  const auto key = make_seal_key();
  CHECK(*seal(*key, "p", bytes_of("x")) != *seal(*key, "p", bytes_of("x")));
}

}  // namespace
}  // namespace weft::storage
