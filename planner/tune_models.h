#pragma once
// Closed forms for tune(): counting in parts, and finding a needle in windows. Source: the patterns
// of Chen et al. 2024, section 4; see planner/error_model.h.

#include <cstdint>
#include <functional>

#include "planner/tune.h"

namespace weft::planner {

/// One call on m units of input.
struct CallModel {
  double seconds = 0;             // t0
  double seconds_a_unit = 0;      // t1
  double prompt_tokens = 0;       // L, what each call reads beside its part
  double tokens_a_unit = 1;       // read
  double output_tokens = 0;       // D0
  double output_a_unit = 0;       // d1: written for each unit, as in sorting
  Price price;                    // without one, tokens are the cost
  bool prefix_is_cached = false;  // L is read, and paid, once
};

/// y = the sum of the parts' counts, each from the mean of `votes` answers. Error: E|y - right|, of
/// independent normal errors with these per part of m.
struct CountingTask {
  std::int64_t n = 1;
  CallModel call;
  std::function<double(std::int64_t m)> sd;
  std::function<double(std::int64_t m)> bias;  // empty: none
};
Outcome evaluate(const CountingTask& task, const Setting& setting);

/// A plurality vote of windows, each of which has the majority of `votes` answers. Error: the
/// chance of a wrong answer.
struct NeedleTask {
  std::int64_t n = 1;
  CallModel call;
  std::function<double(std::int64_t m)> recall;
  std::function<double(std::int64_t m)> false_alarm;  // empty: none
};
Outcome evaluate(const NeedleTask& task, const Setting& setting);

}  // namespace weft::planner
