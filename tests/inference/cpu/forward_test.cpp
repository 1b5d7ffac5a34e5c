#include "inference/cpu/forward.h"

#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "inference/cpu/attention.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference::cpu {
namespace {

using Rows = std::vector<std::vector<float>>;

KvCache cache_of(const StepRunner& runner) { return KvCache(runner.kv_memory()); }

std::vector<TokenId> some_ids(std::mt19937& random, std::size_t n) {
  std::vector<TokenId> ids(n);
  for (TokenId& id : ids) id = static_cast<TokenId>(random() % 250);
  return ids;
}

/// Logits of all wanted rows of a step.
Rows step(StepRunner& forward, const Model& model, std::span<const Slice> slices) {
  REQUIRE(forward.read(slices));
  std::size_t wanted = 0;
  for (const Slice& slice : slices) wanted += slice.ids.size() - slice.first_wanted;
  Rows rows;
  for (std::size_t i = 0; i < wanted; ++i) {
    rows.emplace_back(model.config().vocabulary);
    REQUIRE(forward.logits(i, 1, rows.back()));
  }
  return rows;
}

/// What one sequence gives when it is read alone, a token a step.
Rows alone(StepRunner& forward, const Model& model, std::span<const TokenId> ids,
           std::size_t wanted) {
  KvCache cache = cache_of(forward);
  Rows rows;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const Slice slice{ids.subspan(i, 1), &cache, i + wanted >= ids.size() ? 0U : 1U};
    for (auto& row : step(forward, model, std::span(&slice, 1))) rows.push_back(std::move(row));
  }
  return rows;
}

fakes::TinyModelOptions windowed() {
  fakes::TinyModelOptions options;
  options.architecture = "gemma3";
  return options;
}

// ThreadSanitizer sees what it looks for in a few steps, and is slow.
#if defined(__SANITIZE_THREAD__)
constexpr std::size_t kBatches[] = {7};
#else
constexpr std::size_t kBatches[] = {1, 2, 7, 16};
#endif

TEST_CASE("a step of many sequences gives each the bits it gets alone") {
  std::mt19937 random(5);
  const TemporaryModel full{fakes::TinyModelOptions{}};
  const TemporaryModel window{windowed()};
  for (const TemporaryModel* file : {&full, &window}) {
    for (const std::size_t threads : {1UL, 3UL}) {
      const auto model = file->load(*cpu_backend(threads, best_level(), {.yield_to_load = false}));
      const auto forward = model->weights().open_runner().value();
      for (const std::size_t prefix : {0UL, 1UL, 63UL, 64UL, 65UL, 130UL}) {
        for (const std::size_t batch : kBatches) {
          const auto common = some_ids(random, prefix);
          KvCache shared = cache_of(*forward);
          for (std::size_t i = 0; i < prefix; ++i) {  // read in pieces of a random length
            const std::size_t n = std::min<std::size_t>(1 + random() % 40, prefix - i);
            const Slice slice{std::span(common).subspan(i, n), &shared, n};
            step(*forward, *model, std::span(&slice, 1));
            i += n - 1;
          }
          // Siblings fork the prefix; each reads a tail of its own, of which some rows are wanted.
          std::vector<KvCache> caches(batch, shared);
          std::vector<std::vector<TokenId>> tails;
          std::vector<Slice> slices;
          Rows expected;
          for (std::size_t i = 0; i < batch; ++i) {
            tails.push_back(some_ids(random, 1 + random() % (batch > 7 ? 3 : 30)));
          }
          for (std::size_t i = 0; i < batch; ++i) {
            const std::size_t wanted = random() % 3 == 0 ? 0 : 1 + random() % tails[i].size();
            slices.push_back({tails[i], &caches[i], tails[i].size() - wanted});
            auto all = common;
            all.insert(all.end(), tails[i].begin(), tails[i].end());
            for (auto& row : alone(*forward, *model, all, wanted)) expected.push_back(row);
          }
          INFO(threads << " threads, prefix " << prefix << ", batch " << batch);
          CHECK(step(*forward, *model, slices) == expected);
        }
      }
    }
  }
}

TEST_CASE("tiles hold neighbours that share a block, and no more than fit") {
  const auto memory = std::make_shared<const KvBlocks>(KvShape{1, 1, 16});
  KvCache a(memory);
  a.extend(200);
  KvCache b = a;  // shares all of a's blocks
  b.extend(201);
  KvCache other(memory);
  other.extend(200);
  const std::vector<QueryToken> tokens = {
      {0, 0, 198, &a}, {1, 1, 199, &a}, {2, 2, 200, &b}, {3, 3, 199, &other}};
  const auto tiles = tile_queries(tokens, 1, 0);
  REQUIRE(tiles.size() == 2);
  CHECK(tiles[0].begin == 0);
  CHECK(tiles[0].end == 3);
  CHECK(tiles[1].end == 4);
  // b copied the last block before it wrote; with a window of 4 only that one is seen.
  CHECK(tile_queries(tokens, 1, 4).size() == 3);
  const std::vector<QueryToken> many(40, QueryToken{0, 0, 199, &a});
  CHECK(tile_queries(many, 1, 0).size() == 3);    // 16 tokens at most
  CHECK(tile_queries(many, 60, 0).size() == 10);  // 4 x 60 x 200 scores at most

  std::size_t calls = 0;
  for_block_runs(tokens, {0, 3}, 0, 4, [&](const BlockRun& run) {
    CHECK(run.block < 4);
    CHECK(run.positions == (run.block < 3 ? 64U : run.tokens.begin == 0 ? 8U : 9U));
    ++calls;
  });
  CHECK(calls == 5);  // three shared blocks, then one of each cache
}

}  // namespace
}  // namespace weft::inference::cpu
