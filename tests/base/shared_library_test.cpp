#include "base/shared_library.h"

#include <catch2/catch.hpp>

namespace weft {
namespace {

TEST_CASE("a function of a library that is there can be called") {
  const auto library = SharedLibrary::open("libm.so.6", "to multiply");
  REQUIRE(library);
  const auto root = library->function<double(double)>("cbrt");
  REQUIRE(root);
  CHECK((*root)(27) == Approx(3));
  const auto none = library->function<double(double)>("no_such_function");
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::kUnsupported);
  CHECK(none.error().message.find("libm.so.6 has no function no_such_function") !=
        std::string::npos);
}

TEST_CASE("a library that isn't there is named, with what it is for") {
  const auto library = SharedLibrary::open("libno-such.so.1", "to do nothing");
  REQUIRE_FALSE(library);
  CHECK(library.error().code == ErrorCode::kNotFound);
  CHECK(library.error().message.find("libno-such.so.1 is needed to do nothing") !=
        std::string::npos);
}

}  // namespace
}  // namespace weft
