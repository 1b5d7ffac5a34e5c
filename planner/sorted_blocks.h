#pragma once
// Sorting in blocks: each block is sorted apart, by a model perhaps, and code merges the results. A
// block's own error then bounds the whole's, but only if every block is in order: so what a model
// returned is projected onto that first.
// Source: Chen et al. 2024, the sorting study. That the bound needs the projection is derived:
// sorting doesn't widen the distance of two sequences, in the largest and in the summed difference.

#include <span>
#include <vector>

namespace weft::planner {

/// The sequence in order.
std::vector<double> in_order(std::vector<double> block);

/// Merges blocks as if each were in order: again and again the least of their first elements.
std::vector<double> merge_blocks(std::span<const std::vector<double>> blocks);

/// How much a sequence isn't in order: the sum of its drops from one element to the next.
double drops(std::span<const double> values);

/// Of two sequences of the same length: the largest and the summed difference.
struct Distance {
  double largest = 0;  // l_inf
  double sum = 0;      // l_1
};
Distance distance(std::span<const double> a, std::span<const double> b);

}  // namespace weft::planner
