#include "inference/prompt_lookup.h"

#include <catch2/catch.hpp>
#include <vector>

namespace weft::inference {
namespace {

std::vector<TokenId> draft(const PromptLookup& lookup, const std::vector<TokenId>& tokens,
                           std::size_t most = 100) {
  const auto found = lookup.draft(tokens, most);
  return {found.begin(), found.end()};
}

TEST_CASE("a draft is what followed the longest suffix where it stood last") {
  const PromptLookup lookup(10);
  using Ids = std::vector<TokenId>;
  CHECK(draft(lookup, {1, 2, 3, 4, 5, 6, 9, 1, 2}) == Ids{3, 4, 5, 6});
  CHECK(draft(lookup, {1, 2, 3, 8, 1, 2, 4, 8, 1, 2}) == Ids{4, 8, 1, 2});     // the later one
  CHECK(draft(lookup, {7, 1, 2, 3, 8, 1, 2, 4, 7, 1, 2}) == Ids{3, 8, 1, 2});  // the longer one
  CHECK(draft(lookup, {1, 2, 3, 4, 5, 6, 9, 1, 2}, 2) == Ids{3, 4});
  CHECK(draft(lookup, {1, 2, 3, 4, 5, 6, 9, 1, 2}, 0).empty());
  CHECK(draft(lookup, {1, 2, 3, 9, 2}).empty());  // one token says too little
  CHECK(draft(lookup, {5, 5, 5}) == Ids{5});      // overlapping the suffix itself
  for (const Ids& few : {Ids{}, Ids{1}, Ids{1, 1}}) CHECK(draft(lookup, few).empty());
  CHECK(draft(PromptLookup(0), {1, 2, 3, 1, 2}).empty());
}

TEST_CASE("drafts grow while they are right, shrink when wrong, and rest after failures") {
  PromptLookup lookup(10);
  const std::vector<TokenId> tokens = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 1, 2};
  CHECK(draft(lookup, tokens).size() == 4);
  lookup.learn(4, 4);
  CHECK(draft(lookup, tokens).size() == 8);
  lookup.learn(8, 8);
  CHECK(draft(lookup, tokens).size() == 10);
  lookup.learn(10, 3);
  CHECK(draft(lookup, tokens).size() == 4);
  lookup.learn(4, 0);
  CHECK(draft(lookup, tokens).size() == 2);  // once is chance
  lookup.learn(2, 0);
  CHECK(draft(lookup, tokens).empty());
  lookup.rest();
  CHECK(draft(lookup, tokens).empty());
  lookup.rest();
  CHECK(draft(lookup, tokens).size() == 2);
  lookup.learn(2, 0);
  for (int i = 0; i < 4; ++i) {
    CHECK(draft(lookup, tokens).empty());
    lookup.rest();
  }
  CHECK(draft(lookup, tokens).size() == 2);
}

}  // namespace
}  // namespace weft::inference
