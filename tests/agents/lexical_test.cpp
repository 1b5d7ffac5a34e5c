#include "agents/lexical.h"

#include <catch2/catch.hpp>

namespace weft::agents {
namespace {

TEST_CASE("words are cut at everything that isn't a letter or digit, with their bytes") {
  const auto found = words("It's 3.5 km, née!");
  REQUIRE(found.size() == 6);
  CHECK(found[0].stem == "it");
  CHECK(found[2].stem == "3");
  CHECK(found[4].stem == "km");
  CHECK(found[5].stem == "née");
  CHECK(found[5].start == 13);
  CHECK(found[5].end == 17);
}

TEST_CASE("inflections of a word share a stem, short words keep theirs") {
  CHECK(words("nominates")[0].stem == words("nominated")[0].stem);
  CHECK(words("councils")[0].stem == words("Council")[0].stem);
  CHECK(words("members")[0].stem == words("member")[0].stem);
  CHECK(words("sing")[0].stem == "sing");
  CHECK(words("bus")[0].stem == "bus");
}

TEST_CASE("content leaves stop words out unless there is nothing else") {
  CHECK(content_stems(words("the king of Spain")) ==
        std::unordered_set<std::string>{"king", "spain"});
  CHECK(content_stems(words("to be or not to be")).size() == 4);
  CHECK(content_stems(words("...")).empty());
}

TEST_CASE("a sequence is found only whole and in order") {
  const auto text = words("The Leadership Council nominates new members every six months.");
  CHECK(contains_sequence(text, words("every six months")));
  CHECK(contains_sequence(text, words("Councils nominate")));
  CHECK_FALSE(contains_sequence(text, words("six every months")));
  CHECK_FALSE(contains_sequence(text, words("every months")));
  CHECK_FALSE(contains_sequence(text, {}));
}

}  // namespace
}  // namespace weft::agents
