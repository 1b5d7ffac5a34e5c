#include "inference/prefix_cache.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "inference/cpu/kv_blocks.h"

namespace weft::inference {
namespace {

const auto kMemory = std::make_shared<const cpu::KvBlocks>(cpu::KvShape{1, 1, 16});

const PrefixCache::Space kSpace{{"w", "cpu", "exact", 1}};

std::vector<TokenId> ids_of(std::size_t n, TokenId first = 0) {
  std::vector<TokenId> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = first + static_cast<TokenId>(i);
  return ids;
}

/// A cache whose keys spell its tokens.
KvCache reading(std::span<const TokenId> ids) {
  KvCache cache(kMemory);
  cache.extend(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::uint16_t values[16];
    std::ranges::fill(values, static_cast<std::uint16_t>(ids[i]));
    kMemory->store(cache.block(i / kKvBlockTokens), i % kKvBlockTokens, 0, 0, values, values);
  }
  return cache;
}

bool spells(const KvCache& cache, std::span<const TokenId> ids) {
  for (std::size_t i = 0; i < cache.length(); ++i) {
    const std::size_t column = i % kKvBlockTokens;
    const KvBlock& block = cache.block(i / kKvBlockTokens);
    if (kMemory->keys(block, 0, 0)[column] != ids[i]) return false;
    if (kMemory->values(block, 0, 0)[column * 16] != ids[i]) return false;
  }
  return true;
}

TEST_CASE("the longest known prefix is found, to the token") {
  PrefixCache cache(1 << 20);
  const auto known = ids_of(200);
  CHECK(cache.find(kSpace, known, kMemory).length() == 0);
  cache.insert(kSpace, known, reading(known));
  for (const std::size_t n : {0UL, 1UL, 63UL, 64UL, 65UL, 128UL, 199UL, 200UL}) {
    std::vector<TokenId> ids(known.begin(), known.begin() + static_cast<std::ptrdiff_t>(n));
    ids.push_back(9999);
    const KvCache found = cache.find(kSpace, ids, kMemory);
    CHECK(found.length() == n);
    CHECK(spells(found, ids));
  }
  CHECK(cache.find(kSpace, ids_of(300), kMemory).length() == 200);
  // Of another tenant, another file, backend, mode or revision.
  for (const PrefixCache::Space& other :
       {PrefixCache::Space{{"w", "cpu", "exact", 1}, 1},
        PrefixCache::Space{{"v", "cpu", "exact", 1}}, PrefixCache::Space{{"w", "gpu", "exact", 1}},
        PrefixCache::Space{{"w", "cpu", "fast", 1}},
        PrefixCache::Space{{"w", "cpu", "exact", 2}}}) {
    CHECK(cache.find(other, known, kMemory).length() == 0);
  }
  const std::size_t held = cache.size_bytes();
  cache.insert(kSpace, known, reading(known));  // nothing new
  cache.insert(kSpace, std::span(known).first(150), reading(known));
  CHECK(cache.size_bytes() == held);
  const auto longer = ids_of(250);  // the partial last block grows
  cache.insert(kSpace, longer, reading(longer));
  CHECK(cache.size_bytes() == held);
  CHECK(cache.find(kSpace, longer, kMemory).length() == 250);
}

TEST_CASE("what a found cache writes stays its own") {
  PrefixCache cache(1 << 20);
  const auto known = ids_of(100);
  cache.insert(kSpace, known, reading(known));
  KvCache found = cache.find(kSpace, known, kMemory);
  found.truncate(70);
  found.extend(71);
  const std::uint16_t other[16] = {7};
  kMemory->store(found.block(1), 70 - kKvBlockTokens, 0, 0, other, other);
  CHECK(spells(cache.find(kSpace, known, kMemory), known));
}

TEST_CASE("what is used latest goes last, what is expected sooner stays longer") {
  const std::size_t block = kMemory->block_bytes();
  PrefixCache cache(3 * block);
  const auto a = ids_of(64, 1000), b = ids_of(64, 2000), c = ids_of(64, 3000), d = ids_of(64, 4000);
  for (const auto* ids : {&a, &b, &c}) cache.insert(kSpace, *ids, reading(*ids));
  CHECK(cache.find(kSpace, a, kMemory).length() == 64);
  cache.insert(kSpace, d, reading(d));  // b was used least recently
  CHECK(cache.size_bytes() == 3 * block);
  CHECK(cache.find(kSpace, b, kMemory).length() == 0);
  cache.expect(kSpace, c, 5);
  cache.expect(kSpace, a, 9);
  cache.insert(kSpace, b, reading(b));  // nobody expects d
  CHECK(cache.find(kSpace, d, kMemory).length() == 0);
  cache.expect(kSpace, b, 7);
  cache.insert(kSpace, d, reading(d));
  CHECK(cache.find(kSpace, d, kMemory).length() == 0);  // d itself: the others are all expected
  CHECK(cache.find(kSpace, c, kMemory).length() == 64);
  cache.shrink(0);
  CHECK(cache.size_bytes() == 0);
}

TEST_CASE("random prompts against a list of all that were read") {
  std::mt19937 random(3);
  PrefixCache cache(std::size_t{1} << 30);
  std::vector<std::vector<TokenId>> read;
  for (int round = 0; round < 400; ++round) {
    std::vector<TokenId> ids;
    if (!read.empty() && random() % 4 != 0) {
      ids = read[random() % read.size()];
      ids.resize(random() % (ids.size() + 1));
    }
    for (std::size_t n = random() % 90; n > 0; --n) {
      ids.push_back(static_cast<TokenId>(random() % 3));
    }
    std::size_t longest = 0;
    for (const auto& known : read) {
      const auto n = std::ranges::mismatch(known, ids).in1 - known.begin();
      longest = std::max(longest, static_cast<std::size_t>(n));
    }
    const KvCache found = cache.find(kSpace, ids, kMemory);
    // Blocks are whole but for the last: one that diverges in the middle may hide a longer one.
    CHECK(found.length() <= longest);
    CHECK(found.length() + kKvBlockTokens > longest);
    CHECK(spells(found, ids));
    if (ids.empty()) continue;
    cache.insert(kSpace, ids, reading(ids));
    CHECK(cache.find(kSpace, ids, kMemory).length() == ids.size());
    read.push_back(ids);
  }
}

}  // namespace
}  // namespace weft::inference
