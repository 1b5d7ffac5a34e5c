#include "inference/remote/retry.h"

#include <catch2/catch.hpp>

#include "inference/remote/api_error.h"

namespace weft::inference {
namespace {

using namespace std::chrono_literals;

net::HttpHead head(int status, std::vector<net::HttpHeader> headers = {}) {
  return {.url = {}, .status = status, .headers = std::move(headers)};
}

TEST_CASE("the wait doubles up to its limit and is shaken by a quarter") {
  Random random(1);
  const RetryOptions options{.retries_max = 6, .backoff = 1000ms, .backoff_max = 8000ms};
  const double expected[] = {1000, 2000, 4000, 8000, 8000, 8000};
  for (int retry = 0; retry < 6; ++retry) {
    const auto wait = retry_delay(options, retry, std::nullopt, random);
    REQUIRE(wait);
    CHECK(static_cast<double>(wait->count()) >= 0.75 * expected[retry] - 1);
    CHECK(static_cast<double>(wait->count()) <= 1.25 * expected[retry]);
  }
  CHECK_FALSE(retry_delay(options, 6, std::nullopt, random));
}

TEST_CASE("what the server asks for is waited at least, unless it is too long") {
  Random random(1);
  const RetryOptions options{.retry_after_max = 60s};
  const auto wait = retry_delay(options, 0, 3000ms, random);
  REQUIRE(wait);
  CHECK(*wait >= 3000ms);
  CHECK(*wait <= 3300ms);
  CHECK_FALSE(retry_delay(options, 0, 61s, random));
}

TEST_CASE("Retry-After is read as milliseconds, seconds or a date") {
  const UnixTime now = UnixTime(784111777s) - 5s;  // 1994-11-06T08:49:37Z is 784111777
  const auto asked = [&](const char* name, const char* value) {
    return retry_after(head(429, {{name, value}}), now);
  };
  CHECK(asked("retry-after-ms", "250") == 250ms);
  CHECK(asked("Retry-After", "7") == 7000ms);
  CHECK(asked("Retry-After", "0.5") == 500ms);
  CHECK(asked("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT") == 5000ms);
  CHECK(asked("Retry-After", "Sun, 06 Nov 1994 08:00:00 GMT") == 0ms);
  CHECK(asked("Retry-After", "Sun, 06 Nov 9999 08:00:00 GMT") == 24h);
  CHECK(asked("Retry-After", "1e999") == std::nullopt);
  CHECK(asked("Retry-After", "99999999999999999999") == 24h);
  for (const char* text : {"", "-1", "nan", "soon", "7 s"}) CHECK_FALSE(asked("Retry-After", text));
  CHECK_FALSE(retry_after(head(429), now));
}

TEST_CASE("statuses that may pass are tried again, and the server has the last word") {
  for (const int status : {408, 409, 429, 500, 502, 503, 504}) CHECK(may_pass(head(status)));
  for (const int status : {400, 401, 403, 404, 413, 422}) CHECK_FALSE(may_pass(head(status)));
  CHECK_FALSE(may_pass(head(503, {{"x-should-retry", "false"}})));
  CHECK(may_pass(head(400, {{"x-should-retry", "true"}})));
}

TEST_CASE("error bodies of all forms give a code, a message and a hint") {
  const auto code = [](int status, std::string_view body) {
    return to_error(read_api_error(status, body)).code;
  };
  CHECK(code(400, R"({"error":{"code":"context_length_exceeded","message":"x"}})") ==
        ErrorCode::kResourceExhausted);
  CHECK(code(400, R"({"error":{"code":400,"type":"exceed_context_size_error","n_ctx":64}})") ==
        ErrorCode::kResourceExhausted);
  CHECK(code(500, R"({"error":{"message":"Context size has been exceeded."}})") ==
        ErrorCode::kResourceExhausted);
  CHECK(code(400, R"({"error":{"message":"unknown field"}})") == ErrorCode::kInvalidArgument);
  CHECK(code(401, "") == ErrorCode::kInvalidArgument);
  CHECK(code(404, R"({"detail":"Not Found"})") == ErrorCode::kNotFound);
  CHECK(code(413, "<html>") == ErrorCode::kResourceExhausted);
  CHECK(code(429, "[]") == ErrorCode::kNetwork);
  CHECK(code(503, R"({"error":"loading"})") == ErrorCode::kNetwork);
  const auto message = [](std::string_view body) { return read_api_error(400, body).message; };
  CHECK(message(R"({"error":{"message":"a\nb\u001b[0m"}})") == "a b [0m");
  CHECK(message(R"({"error":"plain"})") == "plain");
  CHECK(message("not JSON \xFF") == "not JSON \xEF\xBF\xBD");
  CHECK(message(std::string(10'000, 'x')).size() == 503);
}

}  // namespace
}  // namespace weft::inference
