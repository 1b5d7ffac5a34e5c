#include "planner/nodes/text.h"

#include <catch2/catch.hpp>

namespace weft::planner {
namespace {

using Texts = std::vector<std::string>;

TEST_CASE("lines are those that hold something") {
  CHECK(split_lines("one\r\n\n  \n two\nthree") == Texts{"one", " two", "three"});
  CHECK(split_lines("").empty());
}

TEST_CASE("blocks cover the text, overlap, and are cut where a reader would") {
  CHECK(split_blocks("", {}).value().empty());
  CHECK(split_blocks("aaaa bbbb cccc", {.bytes_max = 6}).value() ==
        Texts{"aaaa ", "bbbb ", "cccc"});
  CHECK(split_blocks("abcdefgh", {.bytes_max = 4, .overlap = 1}).value() ==
        Texts{"abcd", "defg", "gh"});
  CHECK(split_blocks("\xC3\xA4\xC3\xA4\xC3\xA4", {.bytes_max = 5}).value() ==
        Texts{"\xC3\xA4\xC3\xA4", "\xC3\xA4"});
  CHECK_FALSE(split_blocks("x", {.bytes_max = 3}));
  CHECK_FALSE(split_blocks("x", {.bytes_max = 10, .overlap = 5}));
}

TEST_CASE("every span of up to `overlap` bytes is whole in some block") {
  std::string text;
  for (int i = 0; i < 400; ++i) text += std::to_string(i * i) + (i % 7 == 0 ? "\n\n" : " ");
  const BlockOptions options{.bytes_max = 97, .overlap = 31};
  const Texts blocks = split_blocks(text, options).value();
  for (std::size_t at = 0; at + options.overlap <= text.size(); ++at) {
    const std::string span = text.substr(at, options.overlap);
    bool found = false;
    for (const auto& block : blocks) found = found || block.find(span) != std::string::npos;
    REQUIRE(found);
  }
  for (const auto& block : blocks) CHECK(block.size() <= options.bytes_max);
  // Bytes that are no UTF-8 at all end too.
  CHECK(split_blocks("\x80\xF0\x80\x80\x80\x80", {.bytes_max = 4, .overlap = 1})->size() == 3);
  CHECK(split_blocks(std::string(1000, '\x80'), {.bytes_max = 4, .overlap = 1})->size() == 333);
}

TEST_CASE("numbers are read out of a model's prose") {
  CHECK(parse_number("The sum is -1,234.50.").value() == -1234.5);
  CHECK(parse_number("3 of 10").value() == 10);
  CHECK(parse_number("3 of 10", Which::kFirst).value() == 3);
  CHECK(parse_number("1,2 and 4-5").value() == 5);
  CHECK(parse_number("v1.2.3").value() == 3);
  CHECK(parse_number("no idea").error().message == "there is no number in \"no idea\"");
  CHECK_FALSE(parse_number("1" + std::string(400, '0')));  // beyond a double
}

TEST_CASE("short answers that mean the same are the same") {
  CHECK(normalised(" Paris. ") == "paris");
  CHECK(normalised("...").empty());
}

}  // namespace
}  // namespace weft::planner
