#include "base/result.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

namespace weft {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return Error{ErrorCode::kInvalidArgument, std::to_string(n) + " is odd"};
  return n / 2;
}

Result<int> quarter(int n) {
  WEFT_TRY(h, half(n));
  return half(h);
}

Result<void> check_quarter(int n) {
  WEFT_TRY_VOID(quarter(n));
  return {};
}

TEST_CASE("a Result holds the value or the error") {
  CHECK(half(8).has_value());
  CHECK(*half(8) == 4);
  CHECK(half(8).value_or(1) == 4);
  REQUIRE_FALSE(half(7));
  CHECK(half(7).error().code == ErrorCode::kInvalidArgument);
  CHECK(half(7).error().message == "7 is odd");
  CHECK(half(7).value_or(1) == 1);
}

TEST_CASE("WEFT_TRY passes the first error up and takes values out") {
  CHECK(*quarter(8) == 2);
  CHECK(quarter(6).error().message == "3 is odd");
  CHECK(check_quarter(8));
  CHECK(check_quarter(6).error().message == "3 is odd");
}

TEST_CASE("an error names the line that made it and gains context on its way") {
  const Error error = half(3).error();
  CHECK(std::string(error.where.file_name()).find("result_test.cpp") != std::string::npos);
  CHECK(error.with_context("reading a.txt").message == "reading a.txt: 3 is odd");
  CHECK(to_string(error.code) == "invalid_argument");
}

TEST_CASE("a Result moves what can't be copied") {
  Result<std::unique_ptr<int>> made = std::make_unique<int>(5);
  REQUIRE(made);
  const std::unique_ptr<int> taken = *std::move(made);
  CHECK(*taken == 5);
}

}  // namespace
}  // namespace weft
