#pragma once
// How likely, or how large, a graph's error is, from those of its nodes: closed forms for the
// shapes that occur. "Independent" is an assumption, said where it is made; bounds hold without it.
// Source: Chen et al. 2024, "On the Design and Analysis of LLM-Based Algorithms", and the
// derivations named below. Probabilities are in [0, 1].

#include <cstdint>
#include <span>

namespace weft::planner {

// ---- sums, as in counting: y = sum of k parts ----

/// At most the sum of the parts' errors.
double sum_error_bound(std::span<const double> errors);
/// E|error| of k independent normal errors without bias: sigma sqrt(2 k / pi).
double sum_error_unbiased(std::int64_t k, double sigma);
/// The same with a bias each and no noise: k |bias|; what it tends to when bias k >> sigma sqrt(k).
double sum_error_biased(std::int64_t k, double bias);
/// Both at once: E|x| of a normal x, that of the sum. Source: Leone et al. 1961, "The folded normal
/// distribution".
double mean_size_of_normal(double mean, double variance);

// ---- all parts needed ----

/// Some part fails: at most the sum of their chances.
double any_fails_bound(std::span<const double> chances);
/// Independent parts: 1 - prod(1 - chance).
double any_fails(std::span<const double> chances);

// ---- retrieval from k chunks, J of which hold the needle ----

struct NeedleSearch {
  double recall = 1;             // r: a chunk with the needle gives the right answer
  double false_alarm = 0;        // h: one without it gives a wrong one, each another
  std::int64_t chunks = 1;       // k
  std::int64_t with_needle = 1;  // J, 1 or 2 where windows overlap by half
};

/// The chance that a plurality vote of the chunks' answers, ties broken evenly, is wrong;
/// independent. For J <= 2: (1-r)^J + J r (1-r)^(J-1) [1 - (1 - (1-h)^(N+1)) / ((N+1) h)], N = k -
/// J.
double needle_error(const NeedleSearch& search);
/// The chance that chunks without any needle give an answer: 1 - (1-h)^k.
double false_answer(std::int64_t chunks, double false_alarm);

/// Facts, each in `windows` windows, all of which a generator needs.
struct FactSearch {
  double recall = 1;
  double generator_error = 0;
  std::int64_t facts = 1;
  std::int64_t windows = 2;
};
/// The chance that the answer isn't exact: 1 - q^F (1 - g), q = 1 - (1-r)^J; independent.
double facts_error(const FactSearch& search);

/// Windows of `size` with a stride of ceil(size / 2): the longest fact that is sure to be whole in
/// one.
std::int64_t longest_whole_span(std::int64_t size);

// ---- votes ----

/// The chance that most of n (odd) independent voters, each right with chance p, are right.
double majority_right(std::int64_t n, double p);

/// Votes until one of two answers leads by K. Source: Meyerson et al. 2025 (MAKER).
struct LeadVote {
  double right = 0;  // 1 / (1 + ((1-p)/p)^K)
  double calls = 0;  // expected: K (2 right - 1) / (2p - 1)
};
LeadVote lead_by(std::int64_t k, double p);

// ---- trees of nodes with own error eps ----

/// At most eps ((b S)^(d+1) - 1) / (b S - 1): branching b, depth d, sensitivity S to each input.
double tree_error_bound(double eps, double branching, std::int64_t depth, double sensitivity = 1);
/// The largest error of any way down, where a node takes the worst of its inputs: (d + 1) eps.
double tree_max_error_bound(double eps, std::int64_t depth);

}  // namespace weft::planner
