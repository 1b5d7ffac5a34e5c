#pragma once
// What it costs to solve a problem of size n in sub-tasks of size m, and the m that costs least.
// Source: Chen et al. 2024, section 3, for the shapes; the minimisers with overhead are derived:
// the derivative of the cost by m is 0 there.

#include <cstdint>

namespace weft::planner {

/// One call on L + m tokens that writes D: overhead + prefill (L + m) + quadratic (L + m)^2 +
/// decode D, in any unit: seconds, money, joules.
struct CallCost {
  double overhead = 0;   // a
  double prefill = 0;    // b, a token read
  double quadratic = 0;  // c, a squared token read
  double decode = 0;     // d, a token written
  double prompt = 0;     // L: what each call reads beside its part
  double output = 0;     // D: what it writes
};

/// Of a call on a part of m; `shared`: the prompt L was read before, and its states are in the
/// cache.
double call_cost(const CallCost& call, double m);
double call_cost_shared(const CallCost& call, double m);

/// m* = sqrt(L^2 + (a + b L + d D) / c), and shared: sqrt((a + d D) / c). With nothing but c, m* =
/// L.
double best_size(const CallCost& call);
double best_size_shared(const CallCost& call);

/// Sub-tasks of n in disjoint parts of m, and in windows of m with a stride.
std::int64_t parts(std::int64_t n, std::int64_t m);
std::int64_t windows(std::int64_t n, std::int64_t m, std::int64_t stride);

/// Time of k equal calls on p workers: ceil(k / p) rounds.
double latency(std::int64_t k, std::int64_t workers, double call_seconds);

/// The m in [1, n] with the least latency of disjoint parts, each call taking t0 + t1 m: one full
/// round of ceil(n / p), unless more rounds were shorter.
std::int64_t best_size_for_latency(std::int64_t n, std::int64_t workers, double t0, double t1);

}  // namespace weft::planner
