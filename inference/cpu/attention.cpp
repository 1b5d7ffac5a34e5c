#include "inference/cpu/attention.h"

#include <algorithm>

namespace weft::inference::cpu {
namespace {

/// Enough rows to reuse each key loaded, few enough that their scores stay in the second-level
/// cache.
constexpr std::size_t kTokensMax = 16;
constexpr std::size_t kScoresMax = 48 * 1024;

/// Whether both see the block that holds `position`.
bool share_block(const QueryToken& a, const QueryToken& b, std::size_t position) {
  const std::size_t block = position / kKvBlockTokens;
  return a.cache == b.cache || (block < a.cache->blocks() && block < b.cache->blocks() &&
                                a.cache->block(block) == b.cache->block(block));
}

}  // namespace

std::vector<QueryTile> tile_queries(std::span<const QueryToken> tokens, std::size_t rows_each,
                                    std::size_t window) {
  std::vector<QueryTile> tiles;
  std::size_t first = 0;  // seen by the open tile
  std::size_t last = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::size_t begin = first_seen(tokens[i].position, window);
    const std::size_t end = tokens[i].position + 1;
    bool fits = false;
    if (!tiles.empty()) {
      const QueryTile& tile = tiles.back();
      const std::size_t count = tile.end - tile.begin + 1;
      const std::size_t scores = count * rows_each * (std::max(last, end) - std::min(first, begin));
      fits = count <= kTokensMax && scores <= kScoresMax &&
             share_block(tokens[tile.begin], tokens[i], std::max(first, begin));
    }
    if (fits) {
      tiles.back().end = i + 1;
      first = std::min(first, begin);
      last = std::max(last, end);
    } else {
      tiles.push_back({i, i + 1});
      first = begin;
      last = end;
    }
  }
  return tiles;
}

}  // namespace weft::inference::cpu
