#include "retrieval/query.h"

#include <catch2/catch.hpp>

#include "retrieval/stop_words.h"

namespace weft::retrieval {
namespace {

using Terms = std::vector<std::string>;

Terms kept(std::string_view text) { return query_terms(text, StopWords::kKeep); }
Terms dropped(std::string_view text) { return query_terms(text, StopWords::kDropEnglish); }

TEST_CASE("terms are the different words in lower case") {
  CHECK(kept("Who wrote \"The Trial\"? the trial!") == Terms{"who", "wrote", "the", "trial"});
  CHECK(kept("snake_case C++20 3.14") == Terms{"snake_case", "c", "20", "3", "14"});
}

TEST_CASE("a word in capitals past ASCII is the same word") {
  CHECK(kept("Été été ÉTÉ") == Terms{"été"});
  CHECK(kept("Ωmega ωmega Žižek žižek Ёж ёж ЖУК жук") == Terms{"ωmega", "žižek", "ёж", "жук"});
}

TEST_CASE("typographic punctuation and broken bytes separate words") {
  CHECK(kept("one–two “three” four…") == Terms{"one", "two", "three", "four"});
  CHECK(kept("日本語、全文検索。") == Terms{"日本語", "全文検索"});
  CHECK(kept("a\xff\xfe"
             "b\xc3") == Terms{"a", "b"});
  CHECK(kept(std::string_view("a\0b", 3)) == Terms{"a", "b"});
}

TEST_CASE("stop words go, unless nothing else is there") {
  CHECK(dropped("Who is the author of The Trial?") == Terms{"author", "trial"});
  CHECK(dropped("to be or not to be") == Terms{"to", "be", "or", "not"});
  CHECK(dropped("Can the US win?") == Terms{"can", "us", "win"});
  CHECK(kept("who is") == Terms{"who", "is"});
}

TEST_CASE("contractions and the possessive go as wholes") {
  CHECK(dropped("Why don't cats like what's in Kafka’s house?") ==
        Terms{"cats", "like", "kafka", "house"});
  // Alone, their parts are words: vitamin D, who won.
  CHECK(dropped("who won vitamin d") == Terms{"won", "vitamin", "d"});
}

TEST_CASE("the list of stop words is Snowball's") {
  CHECK(is_english_stop_word("the"));
  CHECK(is_english_stop_word("yourselves"));
  CHECK(is_english_stop_word("mustn't"));
  CHECK_FALSE(is_english_stop_word("will"));
  CHECK_FALSE(is_english_stop_word("The"));
  CHECK_FALSE(is_english_stop_word(""));
}

TEST_CASE("an expression quotes every term") {
  CHECK(match_expression("NEAR(a, b) OR \"x\"*", StopWords::kKeep) ==
        R"("near" OR "a" OR "b" OR "or" OR "x")");
  CHECK(match_expression(" ?! ", StopWords::kKeep).empty());
  CHECK(match_expression("", StopWords::kDropEnglish).empty());
}

TEST_CASE("long queries are cut at their limits") {
  std::string many;
  for (std::size_t i = 0; i < 2 * kQueryTermsMax; ++i)
    many.append("w").append(std::to_string(i)).append(" ");
  CHECK(kept(many).size() == kQueryTermsMax);
  std::string too_long(kQueryTermBytesMax + 1, 'x');
  too_long.append(" short");
  CHECK(kept(too_long) == Terms{"short"});
  std::string far(kQueryBytesMax, ' ');
  far.append("beyond");
  CHECK(kept(far).empty());
}

}  // namespace
}  // namespace weft::retrieval
