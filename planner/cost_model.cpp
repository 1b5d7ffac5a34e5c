#include "planner/cost_model.h"

#include <cmath>

namespace weft::planner {

double call_cost(const CallCost& call, double m) {
  const double read = call.prompt + m;
  return call.overhead + call.prefill * read + call.quadratic * read * read +
         call.decode * call.output;
}

double call_cost_shared(const CallCost& call, double m) {
  // What of (L + m)^2 the prompt itself isn't.
  return call.overhead + call.prefill * m + call.quadratic * (m * m + 2 * call.prompt * m) +
         call.decode * call.output;
}

double best_size(const CallCost& call) {
  return std::sqrt(call.prompt * call.prompt +
                   (call.overhead + call.prefill * call.prompt + call.decode * call.output) /
                       call.quadratic);
}

double best_size_shared(const CallCost& call) {
  return std::sqrt((call.overhead + call.decode * call.output) / call.quadratic);
}

std::int64_t parts(std::int64_t n, std::int64_t m) { return (n + m - 1) / m; }

std::int64_t windows(std::int64_t n, std::int64_t m, std::int64_t stride) {
  return n <= m ? 1 : 1 + parts(n - m, stride);
}

double latency(std::int64_t k, std::int64_t workers, double call_seconds) {
  return static_cast<double>(parts(k, workers)) * call_seconds;
}

std::int64_t best_size_for_latency(std::int64_t n, std::int64_t workers, double t0, double t1) {
  // Sizes between two numbers of full rounds only add to the last: r rounds want ceil(n / (p r)).
  std::int64_t best = n;
  double least = latency(parts(n, best), workers, t0 + t1 * static_cast<double>(best));
  for (std::int64_t rounds = 1; workers * rounds <= n + workers; ++rounds) {
    const std::int64_t m = parts(n, workers * rounds);
    const double time = latency(parts(n, m), workers, t0 + t1 * static_cast<double>(m));
    if (time < least) {
      least = time;
      best = m;
    }
  }
  return best;
}

}  // namespace weft::planner
