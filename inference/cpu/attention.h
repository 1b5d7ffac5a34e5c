#pragma once
// Which tokens of a step attend together. Tokens in one tile meet each KV block once: the tokens of
// a prompt, and siblings whose caches share the blocks of a common prefix. How tokens are tiled
// doesn't change a bit of what they attend to. Private to inference/cpu.

#include <cstddef>
#include <span>
#include <vector>

#include "inference/kv_cache.h"

namespace weft::inference::cpu {

/// The queries of one token.
struct QueryToken {
  std::size_t row = 0;       // of the step, where its queries and rotations stand
  std::size_t out = 0;       // the row that its result goes to
  std::size_t position = 0;  // in its sequence
  KvCache* cache = nullptr;  // of its sequence, with its own key
};

/// Tokens [begin, end) of a list.
struct QueryTile {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// The first position that a query at `position` sees: the window's begin, 0 without a window.
inline std::size_t first_seen(std::size_t position, std::size_t window) noexcept {
  return window != 0 && position + 1 > window ? position + 1 - window : 0;
}

/// Cuts `tokens` into tiles of neighbours that see a common block. `rows_each` is how many query
/// heads of a token meet one KV head.
std::vector<QueryTile> tile_queries(std::span<const QueryToken> tokens, std::size_t rows_each,
                                    std::size_t window);

/// A tile's neighbouring tokens that read one and the same block.
struct BlockRun {
  std::size_t block = 0;      // index in their caches
  QueryTile tokens;           // of the list
  std::size_t positions = 0;  // of the block, that the last of them sees
};

/// Calls body(BlockRun) for the blocks [first, last), in order, that tokens of `tile` see.
template <typename Body>
void for_block_runs(std::span<const QueryToken> tokens, QueryTile tile, std::size_t first,
                    std::size_t last, const Body& body) {
  constexpr std::size_t kBlock = kKvBlockTokens;
  for (std::size_t b = first; b < last; ++b) {
    for (std::size_t i = tile.begin; i < tile.end;) {
      if (tokens[i].position < b * kBlock) {
        ++i;
        continue;
      }
      const KvBlock& block = tokens[i].cache->block(b);
      std::size_t end = i;
      std::size_t seen = 0;
      while (end < tile.end && tokens[end].position >= b * kBlock &&
             tokens[end].cache->block(b) == block) {
        const std::size_t here = tokens[end].position + 1 - b * kBlock;
        if (here > seen) seen = here;
        ++end;
      }
      body(BlockRun{b, {i, end}, seen < kBlock ? seen : kBlock});
      i = end;
    }
  }
}

}  // namespace weft::inference::cpu
