#include "inference/remote/remote_model.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/net/curl_http_client.h"
#include "tests/fakes/loopback_server.h"

namespace weft::inference {
namespace {

using test::LoopbackServer;
using namespace std::chrono_literals;
using Connection = LoopbackServer::Connection;

const SystemClock kClock;

std::string answer(int status, const std::string& type, const std::string& body,
                   const std::string& headers = "") {
  return "HTTP/1.1 " + std::to_string(status) + " Status\r\nContent-Type: " + type + "\r\n" +
         headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string chunk(const std::string& text) {
  return "data: {\"choices\":[{\"delta\":{\"content\":\"" + text + "\"}}]}\n\n";
}

const std::string kEnd =
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

std::string stream(const std::string& events) { return answer(200, "text/event-stream", events); }

/// A model at a server that gives `answers` one after the other, and again and again the last.
struct Fixture {
  explicit Fixture(std::vector<std::string> given)
      : Fixture([this](Connection& connection) {
          while (true) {
            std::string request = connection.read_request();
            if (request.empty()) return;
            const std::size_t i = std::min<std::size_t>(asked++, answers.size() - 1);
            {
              const std::lock_guard lock(mutex);
              last_request = std::move(request);
            }
            if (answers[i].empty() || !connection.write(answers[i])) return;  // cut off
          }
        }) {
    answers = std::move(given);
  }
  explicit Fixture(LoopbackServer::Handler handler) : server(std::move(handler)) {
    const std::vector<std::string> allowed = {server.allow_entry()};
    http = *net::CurlHttpClient::open(kClock, {.policy = *net::AddressPolicy::open(allowed)});
    options.url = server.url("/v1/");
    options.pause = [this](std::chrono::milliseconds wait, const std::stop_token& stop) {
      waits.push_back(wait);
      return !stop.stop_requested();
    };
  }

  Result<RemoteAnswer> chat(const RemoteEvents& events = {}, const std::stop_token& stop = {}) {
    const RemoteModel model(*http, kClock, options, Random(1));
    return model.chat({.messages = {{"user", "hello"}}, .settings = {}}, events, stop);
  }
  ErrorCode failure(const RemoteEvents& events = {}) {
    const auto made = chat(events);
    REQUIRE_FALSE(made);
    message = made.error().message;
    return made.error().code;
  }

  std::string last() {
    const std::lock_guard lock(mutex);
    return last_request;
  }

  std::vector<std::string> answers;
  std::atomic<std::size_t> asked{0};
  std::mutex mutex;          // connections have threads of their own
  std::string last_request;  // with it
  LoopbackServer server;
  std::unique_ptr<net::HttpClient> http;
  RemoteOptions options;
  std::vector<std::chrono::milliseconds> waits;
  std::string message;
};

TEST_CASE("a streamed chat is told as it comes") {
  Fixture fixture({stream(": hello\n\n" + chunk("One") + chunk(" two") + kEnd)});
  fixture.options.model = "m";
  fixture.options.api_key = "secret";
  std::string heard;
  const auto made = fixture.chat({.on_text = [&](std::string_view text) {
    heard += "[" + std::string(text) + "]";
    return true;
  }});
  REQUIRE(made);
  CHECK(heard == "[One][ two]");
  CHECK(made->text == "One two");
  CHECK(made->finish == RemoteFinish::kStop);
  CHECK(fixture.last().starts_with("POST /v1/chat/completions "));
  CHECK(fixture.last().find("Authorization: Bearer secret\r\n") != std::string::npos);
  CHECK(fixture.last().find("\"model\":\"m\"") != std::string::npos);
}

TEST_CASE("requests one after the other share a connection") {
  Fixture fixture({stream(chunk("a") + kEnd)});
  for (int i = 0; i < 3; ++i) REQUIRE(fixture.chat());
  CHECK(fixture.server.accepted() == 1);
}

TEST_CASE("what may pass is tried again, after the wait that the server asks for") {
  Fixture fixture({answer(429, "application/json", "{}", "Retry-After: 7\r\n"),
                   answer(500, "text/html", "<h1>"), stream(chunk("a") + kEnd)});
  const auto made = fixture.chat();
  REQUIRE(made);
  CHECK(made->text == "a");
  REQUIRE(fixture.waits.size() == 2);
  CHECK(fixture.waits[0] >= 7000ms);
  CHECK(fixture.waits[1] >= 750ms);
  CHECK(fixture.waits[1] <= 1250ms);
}

TEST_CASE("retries have an end, and what can't pass has none") {
  Fixture busy({answer(503, "application/json", R"({"error":{"message":"loading"}})")});
  CHECK(busy.failure() == ErrorCode::kNetwork);
  CHECK(busy.asked == 3);
  CHECK(busy.message.find("loading") != std::string::npos);
  Fixture refused({answer(400, "application/json", R"({"error":{"message":"no"}})")});
  CHECK(refused.failure() == ErrorCode::kInvalidArgument);
  CHECK(refused.asked == 1);
  Fixture broke({answer(429, "application/json", R"({"error":{"code":"insufficient_quota"}})")});
  CHECK(broke.failure() == ErrorCode::kNetwork);
  CHECK(broke.asked == 1);
  Fixture later({answer(429, "application/json", "{}", "Retry-After: 3600\r\n")});
  CHECK(later.failure() == ErrorCode::kNetwork);
  CHECK(later.asked == 1);
  CHECK(later.message.find("3600 s") != std::string::npos);
}

TEST_CASE("a cut stream is tried again, but never once its text was told") {
  Fixture silent({"", stream(chunk("a")), stream(chunk("b") + kEnd)});
  const auto made = silent.chat();
  REQUIRE(made);
  CHECK(made->text == "b");
  CHECK(silent.asked == 3);
  Fixture told({stream(chunk("a"))});
  int pieces = 0;
  CHECK(told.failure({.on_text = [&](std::string_view) { return ++pieces > 0; }}) ==
        ErrorCode::kNetwork);
  CHECK(told.asked == 1);
  CHECK(pieces == 1);
  CHECK(told.message.find("cut short") != std::string::npos);
}

TEST_CASE("nobody at the address is told as such after the retries") {
  Fixture fixture({""});
  fixture.options.url = "http://127.0.0.1:1/v1";
  fixture.http = *net::CurlHttpClient::open(
      kClock, {.policy = *net::AddressPolicy::open(std::vector<std::string>{"127.0.0.1:1"})});
  CHECK(fixture.failure() == ErrorCode::kNetwork);
  CHECK(fixture.waits.size() == 2);
}

TEST_CASE("hostile answers end in an error with its reason") {
  Fixture html({answer(200, "text/html", "<h1>It works</h1>")});
  CHECK(html.failure() == ErrorCode::kUnsupported);
  CHECK(html.message.find("text/html") != std::string::npos);
  CHECK(html.asked == 1);
  Fixture huge({stream("data: " + std::string(5000, 'x'))});
  huge.options.stream.line_bytes_max = 1000;
  CHECK(huge.failure() == ErrorCode::kCorrupt);
  Fixture endless({stream(std::string(5000, ':'))});
  endless.options.body_bytes_max = 1000;
  CHECK(endless.failure() == ErrorCode::kResourceExhausted);
  Fixture broken({stream("data: {\"choices\":[\xFF\n\n")});
  CHECK(broken.failure() == ErrorCode::kCorrupt);
  Fixture echo({answer(401, "application/json", R"({"error":{"message":"bad key s3cret!"}})")});
  echo.options.api_key = "s3cret";
  CHECK(echo.failure() == ErrorCode::kInvalidArgument);
  CHECK(echo.message.find("s3cret") == std::string::npos);
}

TEST_CASE("an answer in one piece of JSON is taken where a stream was asked for") {
  Fixture fixture(
      {answer(200, "application/json; charset=utf-8",
              R"({"choices":[{"message":{"content":"a"},"finish_reason":"length"}]})")});
  const auto made = fixture.chat();
  REQUIRE(made);
  CHECK(made->text == "a");
  CHECK(made->finish == RemoteFinish::kLength);
}

TEST_CASE("a server that falls silent is left after the idle timeout") {
  Fixture fixture([](Connection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + chunk("a"));
    connection.hang();
  });
  fixture.options.idle_timeout = 100ms;
  CHECK(fixture.failure() == ErrorCode::kDeadlineExceeded);
}

TEST_CASE("an answer that came byte by byte is whole") {
  Fixture fixture([](Connection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    for (const char byte : chunk("a\xC3\xA9") + kEnd) connection.write(std::string(1, byte));
    connection.hang();  // open after [DONE]: the answer is complete all the same
  });
  fixture.options.idle_timeout = 200ms;
  const auto made = fixture.chat();
  REQUIRE(made);
  CHECK(made->text == "aé");
}

TEST_CASE("a stop returns what there is, and a stop between retries too") {
  Fixture fixture([](Connection& connection) {
    connection.read_request();
    connection.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + chunk("a"));
    connection.hang();
  });
  std::stop_source stop;
  const auto made = fixture.chat({.on_text =
                                      [&](std::string_view) {
                                        stop.request_stop();
                                        return true;
                                      }},
                                 stop.get_token());
  REQUIRE(made);
  CHECK(made->text == "a");
  CHECK(made->finish == RemoteFinish::kCancelled);
  Fixture busy({answer(500, "text/plain", "")});
  std::stop_source second;
  busy.options.pause = [&](std::chrono::milliseconds, const std::stop_token&) {
    second.request_stop();
    return false;
  };
  const auto ended = busy.chat({}, second.get_token());
  REQUIRE(ended);
  CHECK(ended->finish == RemoteFinish::kCancelled);
  CHECK(busy.asked == 1);
}

TEST_CASE("completions and embeddings have paths of their own") {
  Fixture fixture({stream("data: {\"choices\":[{\"text\":\"b\",\"finish_reason\":\"stop\"}]}\n\n"),
                   answer(200, "application/json", R"({"data":[{"embedding":[1,2]}]})")});
  const RemoteModel model(*fixture.http, kClock, fixture.options, Random(1));
  const auto text = model.complete({"a", {}});
  REQUIRE(text);
  CHECK(text->text == "b");
  CHECK(fixture.last().starts_with("POST /v1/completions "));
  const std::vector<std::string> texts = {"a"};
  const auto vectors = model.embed(texts);
  REQUIRE(vectors);
  CHECK(vectors->vectors == std::vector<std::vector<float>>{{1, 2}});
  CHECK(fixture.last().starts_with("POST /v1/embeddings "));
}

TEST_CASE("a server's models are listed") {
  Fixture fixture({answer(200, "application/json", R"({"data":[{"id":"a"},{},{"id":"b"}]})"),
                   answer(200, "application/json", "{}"), answer(403, "application/json", "{}")});
  const RemoteModel model(*fixture.http, kClock, fixture.options, Random(1));
  const auto names = model.models();
  REQUIRE(names);
  CHECK(*names == std::vector<std::string>{"a", "b"});
  CHECK(fixture.last().starts_with("GET /v1/models "));
  for (const ErrorCode code : {ErrorCode::kCorrupt, ErrorCode::kInvalidArgument}) {
    const auto failed = model.models();
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == code);
  }
}

TEST_CASE("offline refuses, and says how to allow it") {
  net::OfflineHttpClient offline;
  const RemoteModel model(offline, kClock, {.url = "http://127.0.0.1:1/v1"}, Random(1));
  const auto made = model.chat({.messages = {{"user", "a"}}, .settings = {}});
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::kPermissionDenied);
  CHECK(made.error().message.find("--offline") != std::string::npos);
}

TEST_CASE("a model says what it can't be asked for") {
  net::OfflineHttpClient offline;
  const RemoteModel model(offline, kClock, {}, Random(1));
  const Capabilities& held = model.capabilities();
  for (const auto capability : {Capability::kChat, Capability::kTools, Capability::kJsonSchema}) {
    CHECK(held.has(capability));
  }
  for (const auto capability : {Capability::kTaps, Capability::kForks, Capability::kTokenIds,
                                Capability::kPromptScores, Capability::kTrustedSpans}) {
    CHECK_FALSE(held.has(capability));
  }
  CHECK(to_string(Capability::kTaps) == "taps");
  CHECK(to_string(Capability::kEngineOptions) == "options of the engine");
}

}  // namespace
}  // namespace weft::inference
