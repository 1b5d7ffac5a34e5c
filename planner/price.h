#pragma once
// What tokens cost. A price of so much for a million tokens is as many millionths for one.

#include <cmath>
#include <cstdint>

namespace weft::planner {

/// Millionths of the currency for a token.
struct Price {
  double prompt_micros = 0;  // cached ones too
  double output_micros = 0;

  std::int64_t of(std::int64_t prompt_tokens, std::int64_t output_tokens) const {
    return std::llround(prompt_micros * static_cast<double>(prompt_tokens) +
                        output_micros * static_cast<double>(output_tokens));
  }
};

}  // namespace weft::planner
