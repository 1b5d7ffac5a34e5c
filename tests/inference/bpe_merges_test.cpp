#include "inference/bpe_merges.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace weft::inference {
namespace {

using Ids = std::vector<TokenId>;

std::array<TokenId, 256> byte_ids() {
  std::array<TokenId, 256> ids;
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<TokenId>(i);
  return ids;
}

Ids encode(const BpeMerges& merges, std::string_view piece) {
  BpePieceEncoder encoder(merges, piece.size());
  encoder.append(piece);
  return std::move(encoder).take();
}

// Random merges of the letters a..c and of earlier merges' results, with a map as their twin.
struct RandomMerges {
  std::map<std::pair<TokenId, TokenId>, std::pair<int, TokenId>> ranks;
  BpeMerges merges{byte_ids(), 60};

  explicit RandomMerges(std::mt19937& random) {
    Ids known = {'a', 'b', 'c'};
    for (int rank = 0; rank < 60; ++rank) {
      const std::pair pair{known[random() % known.size()], known[random() % known.size()]};
      const TokenId result = 256 + rank;
      if (!ranks.emplace(pair, std::pair{rank, result}).second) continue;
      REQUIRE(merges.add(pair.first, pair.second, result));
      known.push_back(result);
    }
  }

  // Sennrich's algorithm as it is written: look for the lowest rank, join there, start over.
  Ids encode_slowly(const std::string& piece) const {
    Ids ids(piece.begin(), piece.end());
    for (;;) {
      auto best = ranks.end();
      std::size_t at = 0;
      for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
        const auto found = ranks.find({ids[i], ids[i + 1]});
        if (found == ranks.end()) continue;
        if (best != ranks.end() && best->second.first <= found->second.first) continue;
        best = found;
        at = i;
      }
      if (best == ranks.end()) return ids;
      ids[at] = best->second.second;
      ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    }
  }
};

TEST_CASE("short, remembered and long pieces merge as the algorithm says") {
  std::mt19937 random(9);
  for (int round = 0; round < 60; ++round) {
    const RandomMerges made(random);
    for (const std::size_t length : {1, 2, 5, 20, 47, 48, 49, 50, 120}) {
      std::string piece;
      for (std::size_t i = 0; i < length; ++i) piece += static_cast<char>('a' + random() % 4);
      const Ids expected = made.encode_slowly(piece);
      REQUIRE(encode(made.merges, piece) == expected);

      BpePieceEncoder encoder(made.merges, 2 * length);
      encoder.append(piece);
      encoder.append(TokenId{7});
      encoder.append(piece);
      Ids twice = expected;
      twice.push_back(7);
      twice.insert(twice.end(), expected.begin(), expected.end());
      REQUIRE(std::move(encoder).take() == twice);
    }
  }
}

TEST_CASE("many different pieces don't disturb what is remembered") {
  std::mt19937 random(10);
  const RandomMerges made(random);
  std::vector<std::string> pieces;
  for (int i = 0; i < 20'000; ++i) {
    std::string& piece = pieces.emplace_back();
    for (std::size_t n = 1 + random() % 12; n > 0; --n)
      piece += static_cast<char>('a' + random() % 4);
  }
  BpePieceEncoder encoder(made.merges, 100'000);
  Ids expected;
  for (const std::string& piece : pieces) {
    encoder.append(piece);
    const Ids ids = made.encode_slowly(piece);
    expected.insert(expected.end(), ids.begin(), ids.end());
  }
  CHECK(std::move(encoder).take() == expected);
}

TEST_CASE("a pair is added once") {
  BpeMerges merges(byte_ids(), 2);
  REQUIRE(merges.add('a', 'b', 300));
  const auto again = merges.add('a', 'b', 301);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::kCorrupt);
  CHECK(again.error().message == "is a duplicate of merge 0");
  CHECK(merges.find('b', 'a').rank == BpeMerges::kNoRank);
  CHECK(merges.find(0, 0).rank == BpeMerges::kNoRank);
}

TEST_CASE("bytes without a token leave none and never merge") {
  auto bytes = byte_ids();
  bytes['x'] = BpeMerges::kNone;
  BpeMerges merges(bytes, 1);
  REQUIRE(merges.add('a', 'b', 300));
  CHECK(encode(merges, "axb") == Ids{'a', 'b'});
  CHECK(encode(merges, "xabx") == Ids{300});
  CHECK(encode(merges, std::string(100, 'x') + "ab") == Ids{300});
}

}  // namespace
}  // namespace weft::inference
