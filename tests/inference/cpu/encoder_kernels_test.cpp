#include "inference/cpu/encoder_kernels.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace weft::inference::cpu {
#if defined(__x86_64__)
const EncoderKernels& encoder_kernels_avx512_emulated() noexcept;
#endif
namespace {

struct Variant {
  std::string name;
  const EncoderKernels* kernels;
};

/// Every level that can run here, the plain one first.
std::vector<Variant> variants() {
  std::vector<Variant> result = {{"scalar", &encoder_kernels(Level::kScalar)}};
  for (const char* name : {"avx2", "avx512vnni"}) {
    if (const auto level = choose_level(name)) result.push_back({name, &encoder_kernels(*level)});
  }
#if defined(__x86_64__)
  if (choose_level("avx2")) {
    result.push_back({"avx512 emulated", &encoder_kernels_avx512_emulated()});
  }
#endif
  return result;
}

std::vector<float> random_floats(std::size_t n, unsigned seed, float deviation = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> values(n);
  for (float& value : values) value = normal(random);
  return values;
}

/// run(kernels) of every variant gives the bits of the first; returns them.
template <typename Run>
std::vector<float> on_all_levels(const Run& run) {
  const auto all = variants();
  const std::vector<float> expected = run(*all.front().kernels);
  for (const Variant& variant : all) {
    INFO(variant.name);
    const std::vector<float> got = run(*variant.kernels);
    REQUIRE(got.size() == expected.size());
    CHECK(std::memcmp(got.data(), expected.data(), got.size() * sizeof(float)) == 0);
  }
  return expected;
}

TEST_CASE("GELU is the exact one, the same on all levels") {
  std::vector<float> x = {0, -0.0F, 1, -1, 100, -100, 1e30F, -1e30F};
  for (float value = -13; value < 13; value += 0.0137F) x.push_back(value);
  x.resize((x.size() + 15) / 16 * 16, 0.5F);
  const std::vector<float> bias(x.size(), 0.25F);
  const auto got = on_all_levels([&](const EncoderKernels& kernels) {
    std::vector<float> y = x;
    kernels.bias_gelu(y.data(), bias.data(), y.size());
    return y;
  });
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto v = static_cast<double>(x[i] + 0.25F);
    const double expected = v * std::erfc(-v / std::sqrt(2.0)) / 2;
    const double error = std::fabs(static_cast<double>(got[i]) - expected);
    INFO(x[i]);
    CHECK(error <= 4e-7 * std::max(1.0, std::fabs(v)));
    // The tail below 0 keeps its digits, too.
    if (v < 0 && v > -9) CHECK(error <= 5e-6 * std::fabs(expected));
  }
}

TEST_CASE("the layer norm of a sum agrees with its formula, the same on all levels") {
  for (const std::size_t n : {16, 48, 384, 1024}) {
    const auto x = random_floats(n, 1, 3);
    const auto y = random_floats(n, 2);
    const auto bias = random_floats(n, 3);
    const auto weight = random_floats(n, 4);
    const auto shift = random_floats(n, 5);
    const auto got = on_all_levels([&](const EncoderKernels& kernels) {
      std::vector<float> out = x;
      kernels.add_norm(out.data(), y.data(), bias.data(), {weight.data(), shift.data(), 1e-12F}, n);
      return out;
    });
    std::vector<double> sums(n);
    double mean = 0;
    for (std::size_t i = 0; i < n; ++i) {
      sums[i] =
          static_cast<double>(x[i]) + static_cast<double>(y[i]) + static_cast<double>(bias[i]);
      mean += sums[i] / static_cast<double>(n);
    }
    double variance = 0;
    for (const double sum : sums) variance += (sum - mean) * (sum - mean) / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i) {
      const double expected =
          (sums[i] - mean) / std::sqrt(variance) * static_cast<double>(weight[i]) +
          static_cast<double>(shift[i]);
      CHECK(static_cast<double>(got[i]) == Approx(expected).margin(1e-5));
    }
  }
}

TEST_CASE("attention over a sequence agrees with its formula, the same on all levels") {
  for (const std::size_t width : {16, 32, 48, 64}) {
    for (const std::size_t tokens : {1, 2, 3, 4, 5, 15, 16, 17, 33, 70}) {
      const std::size_t stride = width + 16;
      const auto q = random_floats(tokens * stride, 1, 2);
      const auto k = random_floats(tokens * stride, 2, 2);
      const auto v = random_floats(tokens * stride, 3);
      const auto biases = random_floats(3 * width, 4);
      const auto got = on_all_levels([&](const EncoderKernels& kernels) {
        std::vector<float> out(tokens * stride, 7);
        std::vector<float> scratch(encoder_scratch_floats(tokens, width));
        kernels.attend({.queries = q.data(),
                        .keys = k.data(),
                        .values = v.data(),
                        .query_bias = biases.data(),
                        .key_bias = biases.data() + width,
                        .value_bias = biases.data() + 2 * width,
                        .stride = stride,
                        .tokens = tokens,
                        .head_width = width,
                        .out = out.data()},
                       scratch.data());
        return out;
      });
      const auto at = [&](const std::vector<float>& rows, std::size_t row, std::size_t which,
                          std::size_t d) {
        return static_cast<double>(rows[row * stride + d]) +
               static_cast<double>(biases[which * width + d]);
      };
      for (std::size_t i = 0; i < tokens; ++i) {
        std::vector<double> weights(tokens, 0);
        double total = 0;
        for (std::size_t j = 0; j < tokens; ++j) {
          for (std::size_t d = 0; d < width; ++d) weights[j] += at(q, i, 0, d) * at(k, j, 1, d);
          weights[j] = std::exp(weights[j] / std::sqrt(static_cast<double>(width)));
          total += weights[j];
        }
        for (std::size_t d = 0; d < width; ++d) {
          double expected = 0;
          for (std::size_t j = 0; j < tokens; ++j) expected += weights[j] / total * at(v, j, 2, d);
          CHECK(static_cast<double>(got[i * stride + d]) == Approx(expected).margin(2e-5));
        }
        CHECK(got[i * stride + width] == 7);  // the next head's values are left alone
      }
    }
  }
}

TEST_CASE("attention may write over its queries") {
  constexpr std::size_t kTokens = 21;
  constexpr std::size_t kWidth = 32;
  const auto k = random_floats(kTokens * kWidth, 2);
  const auto v = random_floats(kTokens * kWidth, 3);
  const std::vector<float> zeros(kWidth, 0);
  const auto run = [&](bool over) {
    auto q = random_floats(kTokens * kWidth, 1);
    std::vector<float> out(q.size());
    std::vector<float> scratch(encoder_scratch_floats(kTokens, kWidth));
    encoder_kernels(best_level())
        .attend({q.data(), k.data(), v.data(), zeros.data(), zeros.data(), zeros.data(), kWidth,
                 kTokens, kWidth, over ? q.data() : out.data()},
                scratch.data());
    return over ? q : out;
  };
  CHECK(run(true) == run(false));
}

TEST_CASE("plain sums and products are the same on all levels") {
  const auto x = random_floats(64, 1);
  const auto y = random_floats(64, 2);
  const auto got = on_all_levels([&](const EncoderKernels& kernels) {
    std::vector<float> out = x;
    kernels.add(out.data(), y.data(), out.size());
    kernels.scale(out.data(), 0.3F, out.size());
    std::vector<float> product(out.size());
    kernels.multiply(out.data(), y.data(), out.size(), product.data());
    product.push_back(kernels.sum_of_squares(out.data(), out.size()));
    return product;
  });
  double squares = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float sum = (x[i] + y[i]) * 0.3F;
    CHECK(got[i] == sum * y[i]);
    squares += static_cast<double>(sum * sum);
  }
  CHECK(static_cast<double>(got.back()) == Approx(squares));
}

}  // namespace
}  // namespace weft::inference::cpu
