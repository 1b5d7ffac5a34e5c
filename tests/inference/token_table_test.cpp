#include "inference/token_table.h"

#include <catch2/catch.hpp>
#include <string>

namespace weft::inference {
namespace {

TEST_CASE("texts are found by their bytes once they are indexed") {
  TokenTable table(3, 8);
  const TokenId first = table.append("one");
  const TokenId second = table.append(std::string_view("\0x", 2));
  const TokenId third = table.append("");
  CHECK_FALSE(table.find("one"));
  CHECK(table.index(first).value() == first);
  CHECK(table.index(second).value() == second);
  CHECK(table.index(third).value() == third);
  CHECK(table.find("one") == first);
  CHECK(table.find(std::string_view("\0x", 2)) == second);
  CHECK(table.find("") == third);
  CHECK_FALSE(table.find("on"));
  CHECK(table.text(second).size() == 2);
  CHECK(table.size() == 3);
}

TEST_CASE("the first of two equal texts keeps its place") {
  TokenTable table(2, 8);
  REQUIRE(table.index(table.append("same")).value() == 0);
  CHECK(table.index(table.append("same")).value() == 0);
  CHECK(table.find("same") == 0);
}

TEST_CASE("an index that was shrunk finds what it kept and nothing else") {
  constexpr int kTokens = 1000;
  TokenTable table(kTokens, 16);
  for (int i = 0; i < kTokens; ++i) REQUIRE(table.index(table.append(std::to_string(i))));
  REQUIRE(table.append("not indexed") == kTokens);
  REQUIRE(table.shrink_index([](TokenId id) { return id % 3 == 0; }));
  for (int i = 0; i < kTokens; ++i) {
    CHECK(table.find(std::to_string(i)) == (i % 3 == 0 ? std::optional<TokenId>(i) : std::nullopt));
  }
  CHECK_FALSE(table.find("not indexed"));
  REQUIRE(table.shrink_index([](TokenId) { return false; }));
  CHECK_FALSE(table.find("0"));
  CHECK(table.text(0) == "0");
}

TEST_CASE("a hundred thousand texts are all found and no others") {
  constexpr int kTokens = 100'000;
  TokenTable table(kTokens, 16);
  for (int i = 0; i < kTokens; ++i) {
    REQUIRE(table.index(table.append("token number " + std::to_string(i))).value() == i);
  }
  for (int i = 0; i < kTokens; ++i) {
    REQUIRE(table.find("token number " + std::to_string(i)) == i);
    REQUIRE_FALSE(table.find("token number -" + std::to_string(i)));
  }
}

}  // namespace
}  // namespace weft::inference
