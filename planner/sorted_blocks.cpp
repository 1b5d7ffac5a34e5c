#include "planner/sorted_blocks.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <tuple>

namespace weft::planner {

std::vector<double> in_order(std::vector<double> block) {
  std::ranges::sort(block);
  return block;
}

std::vector<double> merge_blocks(std::span<const std::vector<double>> blocks) {
  using Head = std::tuple<double, std::size_t, std::size_t>;  // value, block, position
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads;
  std::size_t size = 0;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    size += blocks[b].size();
    if (!blocks[b].empty()) heads.emplace(blocks[b][0], b, 0);
  }
  std::vector<double> merged;
  merged.reserve(size);
  while (!heads.empty()) {
    const auto [value, block, position] = heads.top();
    heads.pop();
    merged.push_back(value);
    if (position + 1 < blocks[block].size()) {
      heads.emplace(blocks[block][position + 1], block, position + 1);
    }
  }
  return merged;
}

double drops(std::span<const double> values) {
  double sum = 0;
  for (std::size_t i = 1; i < values.size(); ++i) sum += std::max(0.0, values[i - 1] - values[i]);
  return sum;
}

Distance distance(std::span<const double> a, std::span<const double> b) {
  Distance found;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::abs(a[i] - b[i]);
    found.largest = std::max(found.largest, difference);
    found.sum += difference;
  }
  return found;
}

}  // namespace weft::planner
