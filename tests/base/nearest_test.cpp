#include "base/nearest.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

namespace weft {
namespace {

// The definition, without the table: exponential, so for short words only.
std::size_t slow_distance(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return std::max(a.size(), b.size());
  const std::string a1 = a.substr(1);
  const std::string b1 = b.substr(1);
  std::size_t best = slow_distance(a1, b1) + (a[0] == b[0] ? 0 : 1);
  best = std::min({best, slow_distance(a1, b) + 1, slow_distance(a, b1) + 1});
  if (a.size() > 1 && b.size() > 1 && a[0] == b[1] && a[1] == b[0]) {
    best = std::min(best, slow_distance(a.substr(2), b.substr(2)) + 1);
  }
  return best;
}

TEST_CASE("the edit distance is that of its definition") {
  std::vector<std::string> words = {""};
  for (std::size_t i = 0; words[i].size() < 4; ++i) {
    for (const char c : {'a', 'b', 'c'}) words.push_back(words[i] + c);
  }
  for (std::size_t i = 0; i < words.size(); i += 3) {
    for (std::size_t k = 0; k < words.size(); k += 2) {
      REQUIRE(edit_distance(words[i], words[k]) == slow_distance(words[i], words[k]));
    }
  }
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("form", "from") == 1);
}

const std::vector<std::string> kNames = {"smollm2-135m", "qwen2.5-coder-0.5b",
                                         "qwen2.5-coder-1.5b"};

TEST_CASE("the nearest name is a typo's, a beginning's, or none") {
  CHECK(nearest("smolm2-135m", kNames) == "smollm2-135m");
  CHECK(nearest("SMOLLM2-153M", kNames) == "smollm2-135m");
  CHECK(nearest("smol", kNames) == "smollm2-135m");
  CHECK(nearest("qwen2.5-coder-15b", kNames) == "qwen2.5-coder-1.5b");
  CHECK(nearest("qwen", kNames) == "qwen2.5-coder-0.5b");
  CHECK_FALSE(nearest("llama", kNames));
  CHECK_FALSE(nearest("", kNames));
  CHECK_FALSE(nearest(std::string(100'000, 's'), kNames));
  CHECK_FALSE(nearest("x", std::vector<std::string>{}));
}

TEST_CASE("the end of a message names it or says nothing") {
  CHECK(did_you_mean("smolm2-135m", kNames) == "; did you mean \"smollm2-135m\"?");
  CHECK(did_you_mean("llama", kNames).empty());
}

}  // namespace
}  // namespace weft
