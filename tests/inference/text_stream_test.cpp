#include "inference/text_stream.h"

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace weft::inference {
namespace {

struct Outcome {
  std::string text;
  bool stopped;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome stream(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  auto opened = TextStream::open(stops);
  REQUIRE(opened);
  Outcome outcome{{}, false};
  for (const std::string& piece : pieces) outcome.text += opened->feed(piece);
  outcome.text += opened->finish();
  outcome.stopped = opened->stopped();
  return outcome;
}

/// The same outcome for the text in one piece, byte by byte, and cut in two anywhere.
void check_every_split(const std::vector<std::string>& stops, const std::string& text,
                       const Outcome& expected) {
  CHECK(stream(stops, {text}) == expected);
  std::vector<std::string> bytes;
  for (const char c : text) bytes.emplace_back(1, c);
  CHECK(stream(stops, bytes) == expected);
  for (std::size_t i = 1; i < text.size(); ++i) {
    INFO("cut at " << i);
    CHECK(stream(stops, {text.substr(0, i), text.substr(i)}) == expected);
  }
}

TEST_CASE("a stop string is found and cut at every split of the text") {
  check_every_split({"\n\nQ:"}, "Paris\n\nQ: next", {"Paris", true});
  check_every_split({"ab"}, "aab", {"a", true});
  check_every_split({"aab"}, "aaaab", {"aa", true});
  check_every_split({"END"}, "the E and EN stay", {"the E and EN stay", false});
  check_every_split({"END"}, "the EN", {"the EN", false});
}

TEST_CASE("the stop string that ends first wins, of those the longest") {
  check_every_split({"abcd", "bc"}, "xabcd", {"xa", true});
  check_every_split({"c", "abc"}, "xabcd", {"x", true});
}

TEST_CASE("characters are handed out whole, at every split") {
  const std::string text = "gr\xC3\xBC\xC3\x9F \xF0\x9F\x99\x82!";  // "grüß 🙂!"
  check_every_split({}, text, {text, false});
  check_every_split({"\xF0\x9F\x99\x82"}, text, {"gr\xC3\xBC\xC3\x9F ", true});
  auto opened = TextStream::open({});
  REQUIRE(opened);
  CHECK(opened->feed("a\xF0\x9F") == "a");
  CHECK(opened->feed("\x99").empty());
  CHECK(opened->feed("\x82") == "\xF0\x9F\x99\x82");
}

TEST_CASE("broken bytes become U+FFFD, at every split") {
  const std::string replacement = "\xEF\xBF\xBD";
  check_every_split({},
                    "a\xFF"
                    "b",
                    {"a" + replacement + "b", false});
  check_every_split({}, "a\xC3", {"a" + replacement, false});
  check_every_split({},
                    "\xE2\x82"
                    "A",
                    {replacement + "A", false});
}

TEST_CASE("text that can't belong to a stop string is handed out at once") {
  auto opened = TextStream::open({"END"});
  REQUIRE(opened);
  CHECK(opened->feed("hello E") == "hello ");
  CHECK(opened->feed("N") == "");
  CHECK(opened->feed("E") == "EN");
  CHECK(opened->feed("ND and more").empty());
  CHECK(opened->stopped());
  CHECK(opened->feed("more").empty());
  CHECK(opened->finish().empty());
}

TEST_CASE("stop strings that can't work are refused") {
  CHECK(TextStream::open({""}).error().code == ErrorCode::kInvalidArgument);
  CHECK_FALSE(TextStream::open({std::string(kStopStringBytesMax + 1, 'x')}));
  CHECK(TextStream::open({std::string(kStopStringBytesMax, 'x')}));
  CHECK_FALSE(TextStream::open(std::vector<std::string>(kStopStringsMax + 1, "x")));
}

}  // namespace
}  // namespace weft::inference
