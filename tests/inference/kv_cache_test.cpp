#include "inference/kv_cache.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "inference/cpu/kv_blocks.h"

namespace weft::inference {
namespace {

constexpr cpu::KvShape kShape{2, 2, 16};
const auto kMemory = std::make_shared<const cpu::KvBlocks>(kShape);

/// The slow twin: every token's number in a list of its own.
struct Sequence {
  KvCache cache{kMemory};
  std::vector<std::uint16_t> tokens;

  void push(std::uint16_t token) {
    const std::size_t position = cache.length();
    cache.extend(position + 1);
    tokens.push_back(token);
    std::array<std::uint16_t, 16> key{};
    std::array<std::uint16_t, 16> value{};
    for (std::size_t layer = 0; layer < kShape.layers; ++layer) {
      for (std::size_t head = 0; head < kShape.kv_heads; ++head) {
        for (std::size_t d = 0; d < 16; ++d) {
          key[d] = static_cast<std::uint16_t>(token + 1000 * layer + 100 * head + d);
          value[d] = static_cast<std::uint16_t>(key[d] + 50);
        }
        kMemory->store(cache.block(position / kKvBlockTokens), position % kKvBlockTokens, layer,
                       head, key.data(), value.data());
      }
    }
  }

  bool holds_its_tokens() const {
    if (cache.length() != tokens.size()) return false;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      const std::size_t column = i % kKvBlockTokens;
      for (std::size_t layer = 0; layer < kShape.layers; ++layer) {
        for (std::size_t head = 0; head < kShape.kv_heads; ++head) {
          const KvBlock& block = cache.block(i / kKvBlockTokens);
          const auto* keys = kMemory->keys(block, layer, head);
          const auto* values = kMemory->values(block, layer, head);
          for (std::size_t d = 0; d < 16; ++d) {
            const std::size_t expected = tokens[i] + 1000 * layer + 100 * head + d;
            if (keys[d * kKvBlockTokens + column] != expected) return false;
            if (values[column * 16 + d] != expected + 50) return false;
          }
        }
      }
    }
    return true;
  }
};

TEST_CASE("random pushes, forks and truncations keep every sequence's own tokens") {
  std::mt19937 random(1);
  std::vector<Sequence> sequences(1);
  for (int step = 0; step < 2000; ++step) {
    const std::size_t which = random() % sequences.size();
    const auto action = random() % 20;
    if (action == 0 && sequences.size() < 6) {
      sequences.push_back(Sequence(sequences[which]));
    } else if (action == 1 && sequences.size() > 1) {
      sequences.erase(sequences.begin() + static_cast<std::ptrdiff_t>(which));
    } else if (action == 2) {
      Sequence& s = sequences[which];
      const std::size_t length = random() % (s.tokens.size() + 1);
      s.cache.truncate(length);
      s.tokens.resize(length);
    } else {
      for (int i = 0; i < 8; ++i) sequences[which].push(static_cast<std::uint16_t>(step * 8 + i));
    }
    if (step % 100 == 99) {
      for (const Sequence& s : sequences) REQUIRE(s.holds_its_tokens());
    }
  }
}

TEST_CASE("a fork shares blocks until one side writes") {
  Sequence first;
  for (std::uint16_t i = 0; i < 100; ++i) first.push(i);
  CHECK(first.cache.blocks() == 2);
  Sequence second = first;
  CHECK(first.cache.owners(0) == 2);
  CHECK(first.cache.owners(1) == 2);
  second.push(7);
  CHECK(first.cache.owners(0) == 2);
  CHECK(first.cache.owners(1) == 1);
  CHECK(first.holds_its_tokens());
  CHECK(second.holds_its_tokens());
  second.cache.truncate(64);
  second.tokens.resize(64);
  CHECK(second.cache.blocks() == 1);
  second.push(8);
  CHECK(second.holds_its_tokens());
  CHECK(first.cache.owners(0) == 2);
}

TEST_CASE("a cache drops whole blocks, and then keeps no fewer tokens than need none of them") {
  Sequence sequence;
  for (std::uint16_t token = 0; token < 300; ++token) sequence.push(token);
  const std::size_t block = kMemory->block_bytes();
  sequence.cache.drop(10, 60, 200);  // no block lies in it
  CHECK(sequence.cache.is_whole());
  CHECK(sequence.cache.size_bytes() == 5 * block);
  KvCache fork = sequence.cache;
  sequence.cache.drop(64, 191, 250);
  CHECK(sequence.cache.size_bytes() == 4 * block);
  CHECK(sequence.cache.block(1) == nullptr);
  CHECK(fork.owners(1) == 1);
  CHECK(sequence.cache.can_truncate(250));
  CHECK_FALSE(sequence.cache.can_truncate(249));
  CHECK(sequence.cache.length_min() == 250);
  sequence.cache.drop(64, 191, 260);  // nothing more
  CHECK(sequence.cache.can_truncate(250));
  REQUIRE(sequence.cache.can_truncate(0));
  sequence.cache.truncate(0);
  CHECK(sequence.cache.is_whole());
}

}  // namespace
}  // namespace weft::inference
