#include "base/log.h"

#include <catch2/catch.hpp>
#include <sstream>
#include <string>

#include "tests/fakes/manual_clock.h"

namespace weft {
namespace {

std::string logged(StreamLogger::Options options, LogLevel level, const std::string& message,
                   std::initializer_list<LogField> fields) {
  const test::ManualClock clock;
  std::ostringstream stream;
  StreamLogger(stream, clock, options).log(level, message, fields);
  return stream.str();
}

constexpr StreamLogger::Options kJson = {.format = StreamLogger::Format::kJson};

TEST_CASE("a text line has time, level, message and fields") {
  CHECK(logged({}, LogLevel::kWarning, "slow disk",
               {{"path", "/a b"}, {"n", 3}, {"ok", false}, {"share", 0.5}, {"id", "x7"}}) ==
        "00:00:00 warning: slow disk path=\"/a b\" n=3 ok=false share=0.5 id=x7\n");
}

TEST_CASE("a JSON line is one object") {
  CHECK(logged(kJson, LogLevel::kInfo, "a \"b\"", {{"n", -1}, {"t", "x\ny"}, {"ok", true}}) ==
        "{\"time\":\"2026-01-01T00:00:00Z\",\"level\":\"info\",\"message\":\"a \\\"b\\\"\","
        "\"n\":-1,\"t\":\"x\\ny\",\"ok\":true}\n");
}

TEST_CASE("nobody forges a line, and broken UTF-8 doesn't throw") {
  CHECK(logged({}, LogLevel::kInfo, "a\nb\x1b[31m", {{"k", "v\nw"}}) ==
        "00:00:00 info: a b [31m k=v w\n");
  CHECK(logged(kJson, LogLevel::kInfo, "\xff", {{"k", "\xc3"}}).find("\xef\xbf\xbd") !=
        std::string::npos);
}

TEST_CASE("what is below the level, and what goes to the null logger, is dropped") {
  CHECK(logged({.level_min = LogLevel::kError}, LogLevel::kWarning, "x", {}).empty());
  CHECK_FALSE(logged({.level_min = LogLevel::kError}, LogLevel::kError, "x", {}).empty());
  NullLogger none;
  none.log(LogLevel::kError, "x");
}

}  // namespace
}  // namespace weft
