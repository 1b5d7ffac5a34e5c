#include "inference/remote/sse_parser.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace weft::inference {
namespace {

using Events = std::vector<SseEvent>;

struct Read {
  Events events;
  Result<void> result;
};

/// `text` in pieces that end at `cuts`.
Read read(std::string_view text, const std::vector<std::size_t>& cuts = {},
          const SseLimits& limits = {}) {
  SseParser parser(limits);
  Read read{{}, {}};
  const SseParser::OnEvent keep = [&](const SseEvent& event) -> Result<void> {
    read.events.push_back(event);
    return {};
  };
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    read.result = parser.feed(text.substr(from, cut - from), keep);
    from = cut;
  }
  read.result = parser.feed(text.substr(from), keep);
  return read;
}

TEST_CASE("event streams are read as the standard's examples say") {
  CHECK(read("data: YHOO\ndata: +2\ndata: 10\n\n").events == Events{{"message", "YHOO\n+2\n10"}});
  CHECK(read(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third "
             "event\n\n")
            .events == Events{{"message", "first event"},
                              {"message", "second event"},
                              {"message", " third event"}});
  CHECK(read("data\n\ndata\ndata\n\ndata:").events == Events{{"message", "\n"}});
  CHECK(read("event: error\ndata: {\"a\":1}\n\ndata: b\n\n").events ==
        Events{{"error", "{\"a\":1}"}, {"message", "b"}});
  CHECK(read("\xEF\xBB\xBF"
             "data: a\n\n")
            .events == Events{{"message", "a"}});
  CHECK(read("retry: 10\nunknown: b\nevent: c\n\ndata: d\n\n").events == Events{{"message", "d"}});
}

TEST_CASE("an event that the stream ends within is none") {
  CHECK(read("data: a\n\ndata: b\n").events == Events{{"message", "a"}});
  CHECK(read("data: a\n\ndata: b").events == Events{{"message", "a"}});
}

TEST_CASE("every cut of a stream and every kind of line end gives the same events") {
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    const std::string text = "\xEF\xBB\xBF: c" + end + "event: x" + end + "data: \xE2\x82\xAC" +
                             end + "data: \xE2\x82" + end + end + "data: [DONE]" + end + end + end;
    const Events expected = {{"x", "€\n\xEF\xBF\xBD"}, {"message", "[DONE]"}};
    CHECK(read(text).events == expected);
    for (std::size_t a = 0; a <= text.size(); ++a) {
      for (std::size_t b = a; b <= text.size(); ++b) {
        if (read(text, {a, b}).events != expected) FAIL("cut at " << a << " and " << b);
      }
    }
  }
}

TEST_CASE("lines and events beyond the limits end the stream, wherever it is cut") {
  const SseLimits limits{.line_bytes_max = 10, .event_bytes_max = 12};
  const std::string line = "data: ok\n\ndata: 12345\n\n";
  const std::string event = "data: ok\n\ndata: 123\ndata: 456\ndata: 789\ndata: 0\n\n";
  for (const std::string& text : {line, event}) {
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      const Read got = read(text, {cut}, limits);
      REQUIRE_FALSE(got.result);
      CHECK(got.result.error().code == ErrorCode::kCorrupt);
      CHECK(got.events == Events{{"message", "ok"}});
    }
  }
  CHECK(read("data: 1234\n\n", {}, limits).result);
  CHECK(read("data: 123\ndata: 456\ndata: 789\n\n", {}, limits).events ==
        Events{{"message", "123\n456\n789"}});
}

TEST_CASE("an error of the reader ends the stream, and stays") {
  SseParser parser;
  int told = 0;
  const SseParser::OnEvent refuse = [&](const SseEvent&) -> Result<void> {
    ++told;
    return Error{ErrorCode::kCancelled, "enough"};
  };
  CHECK_FALSE(parser.feed("data: a\n\ndata: b\n\n", refuse));
  const auto again = parser.feed("data: c\n\n", refuse);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kCancelled);
  CHECK(told == 1);
}

}  // namespace
}  // namespace weft::inference
