#include "base/random.h"

#include <cmath>
#include <numbers>

namespace weft {
namespace {

// The C library's log and exp differ in their last bits between platforms; these use only
// operations that IEEE 754 rounds exactly (this file is compiled without contraction).

// 2 atanh(s), s = (m - 1) / (m + 1), for x = m 2^e with m in [sqrt(1/2), sqrt(2)): |s| < 0.172, and
// the first term left out is below 1e-17.
double log_of(double x) noexcept {
  constexpr int kTerms = 11;
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);
  if (mantissa < std::numbers::sqrt2 / 2) {
    mantissa *= 2;
    --exponent;
  }
  const double s = (mantissa - 1) / (mantissa + 1);
  double sum = 0;
  for (int k = kTerms; k >= 0; --k) sum = sum * (s * s) + 1.0 / (2 * k + 1);
  return exponent * std::numbers::ln2 + 2 * s * sum;
}

// Taylor's series of the rest r of x = k ln 2 + r, |r| < 0.35.
double exp_of(double x) noexcept {
  constexpr int kTerms = 15;
  const double k = std::floor(x / std::numbers::ln2 + 0.5);
  const double r = x - k * std::numbers::ln2;
  double sum = 1;
  for (int n = kTerms; n >= 1; --n) sum = 1 + sum * r / n;
  return std::ldexp(sum, static_cast<int>(k));
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) noexcept {
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
        static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

std::uint64_t Random::stream_of(std::string_view name) noexcept {
  std::uint64_t hash = 0xCBF29CE484222325;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

std::uint64_t Random::next() noexcept {
  if (used_ == words_.size()) {
    const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
    const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
    words_ = philox4x32({low(block_), high(block_), low(stream_), high(stream_)},
                        {low(seed_), high(seed_)});
    ++block_;
    used_ = 0;
  }
  const std::uint64_t bits = words_[used_] | std::uint64_t{words_[used_ + 1]} << 32;
  used_ += 2;
  return bits;
}

double Random::uniform() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

std::uint64_t Random::below(std::uint64_t end) noexcept {
  if (end == 0) return 0;
  // 2^64 mod end numbers are refused, so that each remainder is left equally often.
  const std::uint64_t refused = (0 - end) % end;
  std::uint64_t bits = next();
  while (bits < refused) bits = next();
  return bits % end;
}

double Random::normal() noexcept {
  // Marsaglia's polar method; the second number of each pair is dropped, so that there is no state.
  while (true) {
    const double x = 2 * uniform() - 1;
    const double y = 2 * uniform() - 1;
    const double square = x * x + y * y;
    if (square > 0 && square < 1) return x * std::sqrt(-2 * log_of(square) / square);
  }
}

double Random::exponential() noexcept { return -log_of(1 - uniform()); }

double Random::lognormal(double sigma) noexcept { return exp_of(sigma * normal()); }

}  // namespace weft
