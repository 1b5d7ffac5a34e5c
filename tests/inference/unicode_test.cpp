#include "inference/unicode.h"

#include <catch2/catch.hpp>
#include <string>

namespace weft::inference {
namespace {

std::u32string nfd(char32_t value) { return std::u32string(decompose(value).view()); }

TEST_CASE("characters have the classes of the Unicode character database") {
  CHECK(character_traits('a') == kLetter);
  CHECK(character_traits('7') == kNumber);
  CHECK(character_traits(' ') == kWhiteSpace);
  CHECK(character_traits('\n') == (kWhiteSpace | kOther));
  CHECK(character_traits('!') == kPunctuation);
  CHECK(character_traits('$') == 0);
  CHECK(character_traits(0xA0) == kWhiteSpace);
  CHECK(character_traits(0xBD) == kNumber);           // one half: No
  CHECK(character_traits(0x2167) == kNumber);         // roman eight: Nl
  CHECK(character_traits(0x301) == kNonspacingMark);  // combining acute accent
  CHECK(character_traits(0x903) == 0);                // Devanagari visarga: Mc
  CHECK(character_traits(0x200B) == kOther);          // zero width space: Cf, no White_Space
  CHECK(character_traits(0x2029) == kWhiteSpace);
  CHECK(character_traits(0x4E00) == kLetter);  // first and last of ranges given by ends
  CHECK(character_traits(0x9FFF) == kLetter);
  CHECK(character_traits(0xD7A3) == kLetter);
  CHECK(character_traits(0xD7A4) == 0);  // unassigned
  CHECK(character_traits(0xD800) == kOther);
  CHECK(character_traits(0x10FFFD) == kOther);
  CHECK(character_traits(0x110000) == 0);
}

TEST_CASE("as many characters have a class as Unicode 15 says") {
  // Sums over UnicodeData.txt 15.0.0 of the categories' counts.
  std::size_t letters = 0;
  std::size_t numbers = 0;
  std::size_t spaces = 0;
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    letters += (character_traits(c) & kLetter) != 0 ? 1 : 0;
    numbers += (character_traits(c) & kNumber) != 0 ? 1 : 0;
    spaces += (character_traits(c) & kWhiteSpace) != 0 ? 1 : 0;
  }
  CHECK(letters == 136104);
  CHECK(numbers == 1831);
  CHECK(spaces == 25);
}

TEST_CASE("lowercase maps single code points") {
  CHECK(lowercase('Q') == 'q');
  CHECK(lowercase('@') == '@');
  CHECK(lowercase(0xC9) == 0xE9);
  CHECK(lowercase(0x3A3) == 0x3C3);
  CHECK(lowercase(0x10400) == 0x10428);
  CHECK(lowercase(0xDF) == 0xDF);
  CHECK(lowercase(0x10FFFF) == 0x10FFFF);
}

TEST_CASE("decomposition is full and canonical") {
  CHECK(nfd('a') == U"a");
  CHECK(nfd(0xE9) == U"e\u0301");
  CHECK(nfd(0x1EAD) == U"a\u0323\u0302");
  CHECK(nfd(0x1F82) == U"\u03B1\u0313\u0300\u0345");
  CHECK(nfd(0x212B) == U"A\u030A");
  CHECK(nfd(0xFB01) == U"\uFB01");  // the fi ligature has a compatibility decomposition only
  CHECK(nfd(0xAC00) == U"\u1100\u1161");
  CHECK(nfd(0xD7A3) == U"\u1112\u1175\u11C2");
  CHECK(nfd(0x110000) == std::u32string(1, 0x110000));
}

}  // namespace
}  // namespace weft::inference
