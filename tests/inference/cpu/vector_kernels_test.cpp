#include "inference/cpu/vector_kernels.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "inference/tensor_type.h"

namespace weft::inference::cpu {
#if defined(__x86_64__)
const VectorKernels& vector_kernels_avx512_emulated() noexcept;
#endif
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Variant {
  std::string name;
  const VectorKernels* kernels;
};

/// Every level that can run here, the plain one first.
std::vector<Variant> variants() {
  std::vector<Variant> result = {{"scalar", &vector_kernels(Level::kScalar)}};
  for (const char* name : {"avx2", "avx512vnni"}) {
    if (const auto level = choose_level(name)) result.push_back({name, &vector_kernels(*level)});
  }
#if defined(__x86_64__)
  if (choose_level("avx2")) {
    result.push_back({"avx512 emulated", &vector_kernels_avx512_emulated()});
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

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

/// run(kernels) of every variant gives the bits of the first; returns them.
template <typename Run>
std::vector<float> on_all_levels(const Run& run) {
  const auto all = variants();
  const std::vector<float> expected = run(*all.front().kernels);
  for (const Variant& variant : all) {
    INFO(variant.name);
    CHECK(same_bits(run(*variant.kernels), expected));
  }
  return expected;
}

const std::size_t kLengths[] = {1, 15, 16, 17, 64, 100, 576};

TEST_CASE("e^x is right to two units in the last place, the same on all levels") {
  std::vector<float> x = {0, -0.0F, 1, -1, 88, 100, -87.2F, -87.4F, -1000, -kInfinity};
  for (float value = -87; value < 88; value += 0.0371F) x.push_back(value);
  const auto got = on_all_levels([&](const VectorKernels& kernels) {
    std::vector<float> y = x;
    kernels.exponentiate(y.data(), y.size());
    return y;
  });
  for (std::size_t i = 0; i < x.size(); ++i) {
    INFO("x = " << x[i]);
    if (x[i] < -87.3F) {
      CHECK(got[i] == 0);
    } else {
      CHECK(got[i] == Approx(std::exp(std::min(static_cast<double>(x[i]), 88.0))).epsilon(2.4e-7));
    }
  }
}

TEST_CASE("rms_norm is the formula") {
  for (const std::size_t n : kLengths) {
    const auto x = random_floats(n, 1);
    const auto weight = random_floats(n, 2);
    const auto got = on_all_levels([&](const VectorKernels& kernels) {
      std::vector<float> out(n);
      kernels.rms_norm(x.data(), weight.data(), 1e-5F, n, out.data());
      return out;
    });
    double squares = 0;
    for (const float value : x) squares += std::pow(static_cast<double>(value), 2);
    const double scale = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
    for (std::size_t i = 0; i < n; ++i) {
      CHECK(
          static_cast<double>(got[i]) ==
          Approx(static_cast<double>(x[i]) * scale * static_cast<double>(weight[i])).epsilon(1e-6));
    }
  }
}

TEST_CASE("silu_multiply is the formula, also far out") {
  for (const std::size_t n : kLengths) {
    auto gate = random_floats(n, 3, 5);
    gate[0] = n % 2 == 0 ? 200.0F : -200.0F;
    const auto up = random_floats(n, 4);
    const auto got = on_all_levels([&](const VectorKernels& kernels) {
      auto out = gate;
      kernels.silu_multiply(out.data(), up.data(), n);
      return out;
    });
    for (std::size_t i = 0; i < n; ++i) {
      const double g = static_cast<double>(gate[i]);
      CHECK(
          static_cast<double>(got[i]) ==
          Approx(g / (1 + std::exp(-g)) * static_cast<double>(up[i])).epsilon(1e-6).margin(1e-30));
    }
  }
}

TEST_CASE("gelu_tanh_multiply is the formula, also far out") {
  for (const std::size_t n : kLengths) {
    auto gate = random_floats(n, 5, 3);
    gate[0] = n % 2 == 0 ? 200.0F : -200.0F;
    const auto up = random_floats(n, 6);
    const auto got = on_all_levels([&](const VectorKernels& kernels) {
      auto out = gate;
      kernels.gelu_tanh_multiply(out.data(), up.data(), n);
      return out;
    });
    for (std::size_t i = 0; i < n; ++i) {
      const auto g = static_cast<double>(gate[i]);
      const double u = std::sqrt(2 / std::acos(-1.0)) * (g + 0.044715 * g * g * g);
      const double expected = g / 2 * (1 + std::tanh(u)) * static_cast<double>(up[i]);
      INFO("gelu(" << g << ")");
      CHECK(static_cast<double>(got[i]) == Approx(expected).epsilon(4e-6).margin(1e-7));
    }
  }
}

TEST_CASE("a rotation by 90 degrees exchanges the values of a pair") {
  const std::vector<float> cosines(8, 0.0F);
  const std::vector<float> sines(8, 1.0F);
  std::vector<float> x(16);
  for (std::size_t i = 0; i < 16; ++i) x[i] = static_cast<float>(i + 1);
  const auto neighbours = on_all_levels([&](const VectorKernels& kernels) {
    auto y = x;
    kernels.rotate_neighbours(y.data(), cosines.data(), sines.data(), 8);
    return y;
  });
  CHECK(neighbours[0] == -2);
  CHECK(neighbours[1] == 1);
  CHECK(neighbours[14] == -16);
  CHECK(neighbours[15] == 15);
  const auto halves = on_all_levels([&](const VectorKernels& kernels) {
    auto y = x;
    kernels.rotate_halves(y.data(), cosines.data(), sines.data(), 8);
    return y;
  });
  CHECK(halves[0] == -9);
  CHECK(halves[8] == 1);
  CHECK(halves[7] == -16);
  CHECK(halves[15] == 8);
}

TEST_CASE("rounding to half and additions are those of the scalar functions") {
  for (const std::size_t n : kLengths) {
    auto x = random_floats(n, 5);
    x[0] = n % 2 == 0 ? 1e6F : 1e-7F;  // overflows to infinity; a subnormal half
    const auto y = random_floats(n, 6);
    const auto rounded = on_all_levels([&](const VectorKernels& kernels) {
      auto out = x;
      kernels.round_to_half(out.data(), n);
      return out;
    });
    for (const Variant& variant : variants()) {
      std::vector<std::uint16_t> halves(n);
      variant.kernels->to_half(x.data(), n, halves.data());
      for (std::size_t i = 0; i < n; ++i) {
        CHECK(halves[i] == float_to_half(x[i]));
        CHECK(rounded[i] == half_to_float(halves[i]));
      }
    }
    const auto sums = on_all_levels([&](const VectorKernels& kernels) {
      auto out = x;
      kernels.add(out.data(), y.data(), n);
      return out;
    });
    for (std::size_t i = 0; i < n; ++i) CHECK(sums[i] == x[i] + y[i]);
  }
}

TEST_CASE("argmax gives the first of the greatest and never a NaN") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const Variant& variant : variants()) {
    INFO(variant.name);
    const auto argmax = [&](const std::vector<float>& x) {
      return variant.kernels->argmax(x.data(), x.size());
    };
    CHECK(argmax({3}) == 0);
    CHECK(argmax({nan, 1, nan, 2, 2, nan}) == 3);
    CHECK(argmax({nan, nan}) == 0);
    CHECK(argmax({-kInfinity, -5}) == 1);
    for (const std::size_t n : kLengths) {
      auto x = random_floats(n, static_cast<unsigned>(n));
      CHECK(argmax(x) == static_cast<std::size_t>(std::ranges::max_element(x) - x.begin()));
      x[n / 2] = nan;
      x[n - 1] = 100;
      CHECK(argmax(x) == n - 1);
    }
    for (const std::size_t first : {0U, 1023U, 1024U, 2600U}) {
      auto x = random_floats(3000, 7);
      x[first] = x[2700] = x[2999] = 100;
      CHECK(argmax(x) == first);
    }
  }
}

TEST_CASE("the sum of exponentials of a whole vocabulary keeps its digits") {
  for (const std::size_t n : {1UL, 17UL, 1024UL, 1025UL, 150001UL}) {
    const auto x = random_floats(n, 7, 3);
    const float max = *std::ranges::max_element(x);
    double expected = 0;
    for (const float value : x) expected += std::exp(static_cast<double>(value - max));
    const double first = variants().front().kernels->sum_of_exponentials(x.data(), n, max);
    for (const Variant& variant : variants()) {
      CHECK(variant.kernels->sum_of_exponentials(x.data(), n, max) == first);
    }
    CHECK(first == Approx(expected).epsilon(1e-6));
  }
}

/// Queries over a few KV blocks, of which row i sees the first visible[i] positions in all.
struct Attention {
  std::size_t head_width;
  std::vector<float> queries;
  std::vector<std::vector<std::uint16_t>> keys, values;
  std::vector<std::size_t> visible;
  std::size_t window;

  Attention(std::size_t width, std::vector<std::size_t> seen, std::size_t window_width)
      : head_width(width), visible(seen), window(window_width) {
    queries = random_floats(seen.size() * width, 8);
    for (unsigned b = 0; b < 3; ++b) {
      for (auto* list : {&keys, &values}) {
        std::vector<std::uint16_t> block;
        for (const float v : random_floats(64 * width, 20 + b * 2 + (list == &keys ? 0 : 1))) {
          block.push_back(float_to_half(v));
        }
        list->push_back(block);
      }
    }
  }

  float scale() const { return 1 / std::sqrt(static_cast<float>(head_width)); }

  /// Row `row` sees the positions [first(row), visible[row]), as with a sliding window.
  std::size_t first(std::size_t row) const {
    return visible[row] > window ? visible[row] - window : 0;
  }

  /// Rows [begin, end) together.
  std::vector<float> run(const VectorKernels& kernels, std::size_t begin, std::size_t end) const {
    std::vector<float> out((end - begin) * head_width);
    std::vector<float> scores((end - begin) * 192, 1e30F);  // what isn't written must not matter
    // Rows see ever more, as later tokens do: those that see nothing of a block come first.
    const auto for_blocks = [&](const auto& body) {
      for (std::size_t b = 0; b < 3; ++b) {
        std::size_t skip = begin;
        while (skip < end && visible[skip] <= b * 64) ++skip;
        if (skip < end) body(b, skip, std::min<std::size_t>(64, visible[end - 1] - b * 64));
      }
    };
    for_blocks([&](std::size_t b, std::size_t skip, std::size_t positions) {
      kernels.attention_scores(keys[b].data(), head_width, queries.data() + skip * head_width,
                               end - skip, positions, scores.data() + (skip - begin) * 192 + b * 64,
                               192);
    });
    for (std::size_t r = begin; r < end; ++r) {
      kernels.attention_weights(scores.data() + (r - begin) * 192, first(r), visible[r], 192,
                                scale());
    }
    for_blocks([&](std::size_t b, std::size_t skip, std::size_t positions) {
      kernels.attention_values(values[b].data(), head_width,
                               scores.data() + (skip - begin) * 192 + b * 64, 192, end - skip,
                               positions, out.data() + (skip - begin) * head_width);
    });
    return out;
  }

  double expected(std::size_t row, std::size_t d) const {
    double sum = 0;
    double weighted = 0;
    for (std::size_t t = first(row); t < visible[row]; ++t) {
      double score = 0;
      for (std::size_t j = 0; j < head_width; ++j) {
        score += static_cast<double>(queries[row * head_width + j]) *
                 static_cast<double>(half_to_float(keys[t / 64][j * 64 + t % 64]));
      }
      const double p = std::exp(score * static_cast<double>(scale()));
      sum += p;
      weighted += p * static_cast<double>(half_to_float(values[t / 64][t % 64 * head_width + d]));
    }
    return weighted / sum;
  }
};

TEST_CASE("attention over blocks is softmax over all that a row sees, however rows are grouped") {
  for (const std::size_t window : {1UL, 40UL, 64UL, 1000UL}) {
    for (const std::size_t width : {16UL, 64UL, 128UL}) {
      const Attention attention(width, {1, 2, 16, 17, 63, 64, 65, 100, 128, 129, 192}, window);
      const std::size_t rows = attention.visible.size();
      const auto together = on_all_levels(
          [&](const VectorKernels& kernels) { return attention.run(kernels, 0, rows); });
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t d = 0; d < width; ++d) {
          // Weights are rounded to 11 bits.
          CHECK(static_cast<double>(together[r * width + d]) ==
                Approx(attention.expected(r, d)).margin(1e-3));
        }
      }
      for (std::size_t step = 1; step < 9; ++step) {
        std::vector<float> apart;
        for (std::size_t r = 0; r < rows; r += step) {
          const auto some =
              attention.run(vector_kernels(best_level()), r, std::min(r + step, rows));
          apart.insert(apart.end(), some.begin(), some.end());
        }
        CHECK(same_bits(apart, together));
      }
    }
  }
}

/// A block of a head in q8_0, and the plain form of what it stands for.
struct PackedBlock {
  std::size_t head_width;
  std::vector<std::int8_t> bytes;
  std::vector<std::uint16_t> scales;

  PackedBlock(std::size_t width, unsigned seed) : head_width(width), bytes(64 * width) {
    std::mt19937 random(seed);
    for (auto& byte : bytes)
      byte = static_cast<std::int8_t>(static_cast<int>(random() % 255) - 127);
    for (const float v : random_floats(64 * ((width + 31) / 32), seed)) {
      scales.push_back(float_to_half(v / 64));
    }
  }
  KvBytes view() const { return {bytes.data(), scales.data()}; }
  double key(std::size_t token, std::size_t d) const {
    return static_cast<double>(bytes[d * 64 + token]) *
           static_cast<double>(half_to_float(scales[d / 32 * 64 + token]));
  }
  double value(std::size_t token, std::size_t d) const {
    return static_cast<double>(bytes[token * head_width + d]) *
           static_cast<double>(half_to_float(scales[token * ((head_width + 31) / 32) + d / 32]));
  }
};

TEST_CASE(
    "attention over a block in q8_0 is that over scale times byte, however rows are grouped") {
  for (const std::size_t width : {16UL, 48UL, 64UL, 128UL}) {
    const PackedBlock block(width, 3);
    constexpr std::size_t kRows = 11;
    const auto queries = random_floats(kRows * width, 4);
    const auto weights = random_floats(kRows * 64, 5);
    for (const std::size_t positions : {1UL, 16UL, 17UL, 63UL, 64UL}) {
      const auto run = [&](const VectorKernels& kernels, std::size_t begin, std::size_t end) {
        std::vector<float> scores((end - begin) * 64, 1e30F);
        kernels.attention_scores_q8(block.view(), width, queries.data() + begin * width,
                                    end - begin, positions, scores.data(), 64);
        std::vector<float> out((end - begin) * width, 0.5F);
        kernels.attention_values_q8(block.view(), width, weights.data() + begin * 64, 64,
                                    end - begin, positions, out.data());
        for (std::size_t r = 0; r < end - begin; ++r) {
          out.insert(out.end(), scores.begin() + static_cast<std::ptrdiff_t>(r * 64),
                     scores.begin() + static_cast<std::ptrdiff_t>(r * 64 + positions));
        }
        return out;
      };
      const auto together =
          on_all_levels([&](const VectorKernels& kernels) { return run(kernels, 0, kRows); });
      for (std::size_t r = 0; r < kRows; ++r) {
        for (std::size_t d = 0; d < width; ++d) {
          double expected = 0.5;
          for (std::size_t j = 0; j < positions; ++j) {
            expected += static_cast<double>(weights[r * 64 + j]) * block.value(j, d);
          }
          CHECK(static_cast<double>(together[r * width + d]) == Approx(expected).margin(1e-3));
        }
        for (std::size_t j = 0; j < positions; ++j) {
          double expected = 0;
          for (std::size_t d = 0; d < width; ++d) {
            expected += static_cast<double>(queries[r * width + d]) * block.key(j, d);
          }
          CHECK(static_cast<double>(together[kRows * width + r * positions + j]) ==
                Approx(expected).margin(1e-3));
        }
        const auto alone = run(vector_kernels(best_level()), r, r + 1);
        CHECK(std::equal(alone.begin(), alone.begin() + static_cast<std::ptrdiff_t>(width),
                         together.begin() + static_cast<std::ptrdiff_t>(r * width)));
        CHECK(std::equal(
            alone.begin() + static_cast<std::ptrdiff_t>(width), alone.end(),
            together.begin() + static_cast<std::ptrdiff_t>(kRows * width + r * positions)));
      }
    }
  }
}

}  // namespace
}  // namespace weft::inference::cpu
