#include "base/utf8.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <vector>

namespace weft {
namespace {

using namespace std::string_literals;

const std::string kMixed = "a\u00e9\u20ac\U0001F642z\uD7FF\uE000\U0010FFFF";

// Unicode 15, table 3-7, written out byte by byte: the slow twin of the decoder.
bool well_formed(const std::string& s) {
  const auto in = [&s](std::size_t i, int low, int high) {
    const int byte = static_cast<unsigned char>(s[i]);
    return byte >= low && byte <= high;
  };
  switch (s.size()) {
    case 1:
      return in(0, 0x00, 0x7F);
    case 2:
      return in(0, 0xC2, 0xDF) && in(1, 0x80, 0xBF);
    case 3:
      return ((in(0, 0xE0, 0xE0) && in(1, 0xA0, 0xBF)) ||
              (in(0, 0xE1, 0xEC) && in(1, 0x80, 0xBF)) ||
              (in(0, 0xED, 0xED) && in(1, 0x80, 0x9F)) ||
              (in(0, 0xEE, 0xEF) && in(1, 0x80, 0xBF))) &&
             in(2, 0x80, 0xBF);
    case 4:
      return ((in(0, 0xF0, 0xF0) && in(1, 0x90, 0xBF)) ||
              (in(0, 0xF1, 0xF3) && in(1, 0x80, 0xBF)) ||
              (in(0, 0xF4, 0xF4) && in(1, 0x80, 0x8F))) &&
             in(2, 0x80, 0xBF) && in(3, 0x80, 0xBF);
    default:
      return false;
  }
}

TEST_CASE("every code point survives encoding and decoding") {
  for (char32_t value = 0; value <= 0x10FFFF; ++value) {
    if (value == 0xD800) value = 0xE000;
    std::string text;
    append_utf8(text, value);
    const Utf8CodePoint decoded = decode_utf8(text);
    if (decoded != Utf8CodePoint{value, static_cast<std::uint32_t>(text.size()), true} ||
        !well_formed(text)) {
      FAIL("U+" << std::hex << static_cast<unsigned>(value));
    }
  }
}

TEST_CASE("surrogates and values above the last code point are written as U+FFFD") {
  for (const char32_t value : {0xD800U, 0xDFFFU, 0x110000U, 0xFFFFFFFFU}) {
    std::string text;
    append_utf8(text, value);
    CHECK(text == "\uFFFD");
  }
}

TEST_CASE("of all byte pairs and triples the decoder accepts the well-formed ones alone") {
  for (int a = 0x80; a < 0x100; ++a) {
    for (int b = 0; b < 0x100; ++b) {
      for (const int c : {0x00, 0x7F, 0x80, 0xBF, 0xC0, 0xFF}) {
        const std::string text = {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c)};
        const Utf8CodePoint decoded = decode_utf8(text);
        const bool expected = well_formed(text.substr(0, 2)) || well_formed(text);
        if (decoded.valid != expected || decoded.size == 0 || decoded.size > 3) {
          FAIL(a << " " << b << " " << c);
        }
      }
    }
  }
}

TEST_CASE("a broken sequence becomes one U+FFFD for each maximal subpart") {
  // The example of Unicode 15, section 3.9, table 3-11.
  CHECK(repair_utf8("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41") == "\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  // Table 3-8: overlong forms have no valid prefix at all.
  CHECK(repair_utf8("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41") ==
        "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\x41");
  CHECK(repair_utf8("\xED\xA0\x80") == "\uFFFD\uFFFD\uFFFD");
  CHECK(repair_utf8("") == "");
  CHECK(repair_utf8("a\0b"s) == "a\0b"s);
  CHECK(repair_utf8(kMixed) == kMixed);
}

TEST_CASE("validation finds one broken byte anywhere") {
  CHECK(is_valid_utf8(""));
  CHECK(is_valid_utf8(kMixed));
  const std::string text = "0123456789abcdef" + kMixed + "0123456789abcdef";
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string broken = text;
    broken[i] = '\xFF';
    CHECK_FALSE(is_valid_utf8(broken));
    CHECK(is_valid_utf8(repair_utf8(broken)));
  }
}

TEST_CASE("at every split point the complete prefix is whole and the rest completes it") {
  for (std::size_t split = 0; split <= kMixed.size(); ++split) {
    const std::string head = kMixed.substr(0, split);
    const std::size_t complete = complete_utf8_prefix(head);
    CHECK(is_valid_utf8(head.substr(0, complete)));
    CHECK(split - complete < 4);
    CHECK((complete == split) == is_valid_utf8(head));
    CHECK(is_valid_utf8(kMixed.substr(complete)));
  }
}

TEST_CASE("bytes that nothing can complete are not held back") {
  CHECK(complete_utf8_prefix("a\xFF") == 2);
  CHECK(complete_utf8_prefix("a\x80\x80\x80") == 4);
  CHECK(complete_utf8_prefix("a\xC3\xA9\xA9") == 4);
  CHECK(complete_utf8_prefix("a\xED\xA0") == 3);  // a surrogate's start
  CHECK(complete_utf8_prefix("a\xF4\x90\x80") == 4);
  CHECK(complete_utf8_prefix("a\xF0\x9F\x99") == 1);
  CHECK(complete_utf8_prefix("\xC3") == 0);
  CHECK(complete_utf8_prefix("") == 0);
}

TEST_CASE("a stream cut anywhere shows the same text as the whole") {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    for (int i = 0; i < 12; ++i) {
      text += random() % 3 == 0 ? std::string(1, static_cast<char>(random() % 256))
                                : kMixed.substr(random() % kMixed.size(), 3);
    }
    std::string shown;
    std::string pending;
    for (const char byte : text) {
      pending += byte;
      const std::size_t complete = complete_utf8_prefix(pending);
      shown += repair_utf8(pending.substr(0, complete));
      pending.erase(0, complete);
    }
    shown += repair_utf8(pending);
    REQUIRE(shown == repair_utf8(text));
  }
}

}  // namespace
}  // namespace weft
