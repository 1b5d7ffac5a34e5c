#include "inference/cpu/matrix.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "inference/cpu/kernels.h"
#include "tests/fakes/avx512_kernels.h"
#include "tests/fakes/quantize.h"

using namespace weft::inference;
using cpu::Activations;
using cpu::Kernels;
using cpu::Level;
using cpu::Matrix;

namespace {

constexpr TensorType kAllTypes[] = {TensorType::kF32,  TensorType::kF16,  TensorType::kBF16,
                                    TensorType::kQ4_0, TensorType::kQ4_1, TensorType::kQ5_0,
                                    TensorType::kQ5_1, TensorType::kQ8_0, TensorType::kQ4_K,
                                    TensorType::kQ5_K, TensorType::kQ6_K};

// The scalar table first, then all others that this machine can run.
std::vector<const Kernels*> runnable_kernels() {
  std::vector<const Kernels*> tables = {&cpu::kScalarKernels};
#if defined(__x86_64__)
  if (cpu::best_level() != Level::kScalar) {
    tables.push_back(&cpu::kAvx2Kernels);
    tables.push_back(&cpu::kAvx512EmulatedKernels);
  }
  if (cpu::best_level() == Level::kAvx512Vnni) tables.push_back(&cpu::kAvx512VnniKernels);
#endif
  return tables;
}

Matrix pack(TensorType type, std::size_t rows, std::size_t columns,
            const std::vector<std::byte>& file, const Kernels& kernels) {
  const auto source = [&](std::uint64_t offset, std::span<std::byte> out) {
    REQUIRE(offset + out.size() <= file.size());
    std::memcpy(out.data(), file.data() + offset, out.size());
    return weft::Result<void>();
  };
  cpu::WeightArena arena;
  auto matrix = Matrix::pack(type, rows, columns, source, kernels, arena);
  REQUIRE(matrix);
  return *std::move(matrix);
}

std::vector<float> random_floats(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// Any bytes are blocks. Infinite and NaN scales would make most outputs NaN, so the highest
// exponent bit of each half is cleared; `extreme` sets all quants' bits or none, row by row.
std::vector<std::byte> random_blocks(TensorType type, std::size_t rows, std::size_t columns,
                                     bool extreme) {
  std::mt19937 random(7);
  const BlockShape shape = block_shape(type);
  std::vector<std::byte> bytes(*row_bytes(type, columns) * rows);
  for (std::size_t at = 0; at < bytes.size(); at += shape.bytes) {
    const int fill = extreme ? (random() % 2 == 0 ? 0xFF : 0x80) : -1;
    for (std::size_t i = 0; i < shape.bytes; ++i) {
      bytes[at + i] = static_cast<std::byte>(fill < 0 ? random() : static_cast<unsigned>(fill));
    }
    const auto clear = [&](std::size_t high_byte) { bytes[at + high_byte] &= std::byte{0xBF}; };
    if (type == TensorType::kQ6_K) {
      clear(209);
    } else if (type == TensorType::kF32) {
      clear(3);
    } else {
      clear(1);
      if (shape.bytes > 3 && type != TensorType::kQ5_0 && type != TensorType::kQ4_0) clear(3);
    }
  }
  return bytes;
}

Activations activations(TensorType type, std::size_t count, std::size_t columns,
                        const std::vector<float>& x, const Kernels& kernels) {
  Activations out;
  out.prepare(kernels, cpu::activation_kind(type), count, columns);
  for (std::size_t i = 0; i < count; ++i) out.set_row(i, x.data() + i * columns);
  return out;
}

std::vector<float> multiply(const Matrix& matrix, const Activations& x, std::size_t parts = 1) {
  std::vector<float> y(x.count() * matrix.rows(), std::numeric_limits<float>::quiet_NaN());
  for (std::size_t part = 0; part < parts; ++part) {
    matrix.multiply(x, matrix.partition(part, parts), y.data(), matrix.rows());
  }
  return y;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::size_t columns_for(TensorType type, std::size_t blocks) {
  return block_shape(type).values == 1 ? 37 * blocks : block_shape(type).values * blocks;
}

}  // namespace

TEST_CASE("the product is that of the dequantised weights, up to the activations' rounding") {
  for (const TensorType type : kAllTypes) {
    for (const Kernels* kernels : runnable_kernels()) {
      CAPTURE(to_string(type), to_string(kernels->level));
      const std::size_t rows = 21;
      const std::size_t columns = columns_for(type, 3);
      const auto file = weft::fakes::quantize(type, random_floats(rows * columns, 1));
      std::vector<float> weights(rows * columns);
      dequantize(type, file, weights);
      const auto x = random_floats(columns, 2);
      const auto y = multiply(pack(type, rows, columns, file, *kernels),
                              activations(type, 1, columns, x, *kernels));
      for (std::size_t r = 0; r < rows; ++r) {
        double expected = 0;
        double size = 0;
        for (std::size_t c = 0; c < columns; ++c) {
          const double product = static_cast<double>(weights[r * columns + c]) * x[c];
          expected += product;
          size += product * product;
        }
        // An activation is off by at most half a step of about 3 / 127, mostly independently.
        const double tolerance = type == TensorType::kF32 ? 1e-5 : 0.05;
        CHECK(std::abs(y[r] - expected) <= tolerance * std::sqrt(size) + 1e-6);
      }
    }
  }
}

TEST_CASE("activations that integers hold exactly give exact products of small weights") {
  // 127 among them makes the scale 1, so the quantised values are the values themselves.
  for (const TensorType type :
       {TensorType::kQ4_0, TensorType::kQ4_1, TensorType::kQ5_0, TensorType::kQ5_1,
        TensorType::kQ8_0, TensorType::kQ4_K, TensorType::kQ5_K, TensorType::kQ6_K}) {
    for (const Kernels* kernels : runnable_kernels()) {
      CAPTURE(to_string(type), to_string(kernels->level));
      const std::size_t columns = block_shape(type).values;
      const std::size_t rows = 16;
      const auto file = weft::fakes::quantize(type, random_floats(rows * columns, 3));
      std::vector<float> weights(rows * columns);
      dequantize(type, file, weights);
      const Matrix matrix = pack(type, rows, columns, file, *kernels);
      // One weight at a time: column c of W is the product with 127 * unit vector c.
      bool close = true;
      for (std::size_t c = 0; c < columns; ++c) {
        std::vector<float> unit(columns, 0.0F);
        unit[c] = 127;
        const auto y = multiply(matrix, activations(type, 1, columns, unit, *kernels));
        for (std::size_t r = 0; r < rows; ++r) {
          const float expected = 127 * weights[r * columns + c];
          close = close && std::abs(y[r] - expected) <= 1e-3F * std::abs(expected) + 1e-3F;
        }
      }
      CHECK(close);
    }
  }
}

TEST_CASE("every level gives the bits of the scalar kernels") {
  const auto tables = runnable_kernels();
  for (const TensorType type : kAllTypes) {
    for (const bool extreme : {false, true}) {
      for (const std::size_t rows : {1U, 8U, 17U, 40U, 70U}) {
        for (const std::size_t count : {1U, 2U, 3U, 4U, 5U, 17U}) {
          CAPTURE(to_string(type), extreme, rows, count);
          const std::size_t columns = columns_for(type, 1 + rows % 3);
          const auto file = random_blocks(type, rows, columns, extreme);
          auto x = random_floats(count * columns, 4);
          if (extreme) {
            for (float& value : x) value = value < 0.3F ? -1.0F : 1.0F;
          }
          const auto expected = multiply(pack(type, rows, columns, file, *tables[0]),
                                         activations(type, count, columns, x, *tables[0]));
          for (const Kernels* kernels : tables) {
            CAPTURE(to_string(kernels->level));
            const auto y = multiply(pack(type, rows, columns, file, *kernels),
                                    activations(type, count, columns, x, *kernels));
            CHECK(same_bits(y, expected));
            if (type != TensorType::kF32)
              CHECK(
                  std::none_of(y.begin(), y.end(), [](float value) { return std::isnan(value); }));
          }
        }
      }
    }
  }
}

TEST_CASE("Q8_0 of 7 bits gives the scalar kernels' bits, and so does one quant more") {
  const std::size_t rows = 19;
  const std::size_t columns = 256;
  const auto x = random_floats(9 * columns, 12);
  std::mt19937 random(13);
  // Quant by quant: random 7 bits, their least, their greatest; then one that is just outside,
  // first and last of all.
  for (const int fill : {0, -64, 63}) {
    for (const int outside : {0, 64, -65, -128}) {
      for (const bool last : {false, true}) {
        auto file = random_blocks(TensorType::kQ8_0, rows, columns, false);
        for (std::size_t at = 0; at < file.size(); at += 34) {
          for (std::size_t i = 2; i < 34; ++i) {
            const int q = fill != 0 ? fill : static_cast<int>(random() % 128) - 64;
            file[at + i] = static_cast<std::byte>(q);
          }
        }
        if (outside != 0) file[last ? file.size() - 1 : 2] = static_cast<std::byte>(outside);
        std::vector<float> expected;
        for (const Kernels* kernels : runnable_kernels()) {
          CAPTURE(fill, outside, last, to_string(kernels->level));
          const Matrix matrix = pack(TensorType::kQ8_0, rows, columns, file, *kernels);
          std::vector<float> y;
          for (const std::size_t count : {1, 9}) {
            const auto some =
                multiply(matrix, activations(TensorType::kQ8_0, count, columns, x, *kernels));
            y.insert(y.end(), some.begin(), some.end());
          }
          if (expected.empty()) expected = y;
          REQUIRE(same_bits(y, expected));
        }
      }
    }
  }
}

TEST_CASE("a row's product depends neither on its batch nor on the partition") {
  for (const TensorType type : kAllTypes) {
    for (const Kernels* kernels : runnable_kernels()) {
      CAPTURE(to_string(type), to_string(kernels->level));
      const std::size_t rows = 75;
      const std::size_t columns = columns_for(type, 2);
      const std::size_t count = 17;
      const Matrix matrix =
          pack(type, rows, columns, random_blocks(type, rows, columns, false), *kernels);
      const auto x = random_floats(count * columns, 5);
      const auto whole = multiply(matrix, activations(type, count, columns, x, *kernels));
      CHECK(same_bits(multiply(matrix, activations(type, count, columns, x, *kernels), 3), whole));
      for (std::size_t i = 0; i < count; ++i) {
        const std::vector<float> one(x.begin() + static_cast<std::ptrdiff_t>(i * columns),
                                     x.begin() + static_cast<std::ptrdiff_t>((i + 1) * columns));
        const auto y = multiply(matrix, activations(type, 1, columns, one, *kernels));
        CHECK(std::memcmp(y.data(), whole.data() + i * rows, rows * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("more rows and columns than fit the cache at once give the same bits") {
  // 5120 columns are three runs of 1536 and a part, 221 activation rows more than one panel, and
  // 150 weight rows more than are unpacked at a time, at every level.
  for (const TensorType type : {TensorType::kQ4_1, TensorType::kQ5_1, TensorType::kQ8_0,
                                TensorType::kQ4_K, TensorType::kQ6_K}) {
    for (const Kernels* kernels : runnable_kernels()) {
      CAPTURE(to_string(type), to_string(kernels->level));
      const std::size_t columns = 5120;
      const std::size_t count = 221;
      const std::size_t rows = 150;
      const Matrix matrix =
          pack(type, rows, columns, random_blocks(type, rows, columns, false), *kernels);
      const auto x = random_floats(count * columns, 6);
      const auto all = multiply(matrix, activations(type, count, columns, x, *kernels));
      for (const std::size_t i : {0U, 104U, 107U, 208U, 211U, 220U}) {
        CAPTURE(i);
        const auto begin = x.begin() + static_cast<std::ptrdiff_t>(i * columns);
        const std::vector<float> one(begin, begin + static_cast<std::ptrdiff_t>(columns));
        const auto y = multiply(matrix, activations(type, 1, columns, one, *kernels));
        CHECK(std::memcmp(y.data(), all.data() + i * rows, rows * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("a matrix that takes many reads is that of its rows packed for themselves") {
  constexpr std::size_t kRows = 1003;
  constexpr std::size_t kColumns = 512;
  constexpr std::size_t kSlice = 16;  // rows of whole groups at every level
  for (const TensorType type : {TensorType::kQ4_1, TensorType::kQ6_K, TensorType::kF16}) {
    for (const Kernels* kernels : runnable_kernels()) {
      CAPTURE(to_string(type), to_string(kernels->level));
      const auto file = random_blocks(type, kRows, kColumns, false);
      const auto x = activations(type, 1, kColumns, random_floats(kColumns, 3), *kernels);
      std::size_t reads = 0;
      const auto source = [&](std::uint64_t offset, std::span<std::byte> out) {
        REQUIRE(offset + out.size() <= file.size());
        std::memcpy(out.data(), file.data() + offset, out.size());
        ++reads;
        return weft::Result<void>();
      };
      cpu::WeightArena arena;
      const auto whole = Matrix::pack(type, kRows, kColumns, source, *kernels, arena);
      REQUIRE(whole);
      CHECK(reads > 2);
      CHECK(reads < 20);
      const auto y = multiply(*whole, x);
      const std::size_t bytes = *row_bytes(type, kColumns);
      for (std::size_t row = 0; row < kRows; row += kSlice) {
        const std::size_t count = std::min(kSlice, kRows - row);
        const auto from = file.begin() + static_cast<std::ptrdiff_t>(row * bytes);
        const std::vector<std::byte> part(from, from + static_cast<std::ptrdiff_t>(count * bytes));
        const auto expected = multiply(pack(type, count, kColumns, part, *kernels), x);
        const auto begin = y.begin() + static_cast<std::ptrdiff_t>(row);
        CHECK(same_bits({begin, begin + static_cast<std::ptrdiff_t>(count)}, expected));
      }
    }
  }
}

TEST_CASE("blocks of 32 keep the unrounded factor and a scale in half precision") {
  // amax 2.54: q = round(x * 127 / 2.54) = round(50 x); d = 0.02, in half precision 0.0200042725.
  for (const Kernels* kernels : runnable_kernels()) {
    std::vector<float> x(32, 0.0F);
    x[0] = 2.54F;
    x[1] = -1.0F;   // -50
    x[2] = 0.049F;  // 2.45 rounds to 2
    const Activations a = activations(TensorType::kQ4_1, 1, 32, x, *kernels);
    const auto* q = reinterpret_cast<const std::int8_t*>(a.tiles());
    CHECK(q[0] == 127);
    CHECK(q[1] == -50);
    CHECK(q[2] == 2);
    float scale = 0;
    float sum = 0;
    std::int32_t start = 0;
    std::int16_t starts[2];
    std::memcpy(&scale, a.tiles() + 32, 4);
    std::memcpy(&sum, a.tiles() + 36, 4);
    std::memcpy(&start, a.tiles() + 40, 4);
    std::memcpy(starts, a.tiles() + 40, 4);
    CHECK(scale == 0.0200042725F);
    CHECK(sum == 1.58007812F);             // 0.02 * 79 = 1.58 in half precision
    if (kernels->level == Level::kAvx2) {  // two sums of half the values
      CHECK(starts[0] == -8 * 77);
      CHECK(starts[1] == -8 * 2);
    } else {
      CHECK(start == -8 * 79);
    }
  }
}

TEST_CASE("halves round to even when activations are quantised") {
  for (const Kernels* kernels : runnable_kernels()) {
    std::vector<float> x(32, 0.0F);
    x[0] = 127;
    x[1] = 0.5F;
    x[2] = 1.5F;
    x[3] = -2.5F;
    const Activations a = activations(TensorType::kQ8_0, 1, 32, x, *kernels);
    const auto* q = reinterpret_cast<const std::int8_t*>(a.tiles());
    CHECK(q[1] == 0);
    CHECK(q[2] == 2);
    CHECK(q[3] == -2);
  }
}

TEST_CASE("blocks of 256 map the value of largest magnitude to -127") {
  for (const Kernels* kernels : runnable_kernels()) {
    std::vector<float> x(256, 0.0F);
    x[100] = 2.0F;
    x[101] = -2.0F;  // as large, but later: the first one decides the sign
    x[102] = 1.0F;   // 63.5 rounds to -64 after the change of sign
    const Activations a = activations(TensorType::kQ4_K, 1, 256, x, *kernels);
    const auto* q = reinterpret_cast<const std::int8_t*>(a.tiles());
    CHECK(q[100] == -127);
    CHECK(q[101] == 127);
    CHECK(q[102] == -64);
    float scale = 0;
    std::memcpy(&scale, a.tiles() + 256, 4);
    CHECK(scale == 1.0F / (-127.0F / 2.0F));
  }
}

TEST_CASE("zero and tiny activations give zero, infinite ones NaN") {
  for (const TensorType type : {TensorType::kQ4_0, TensorType::kQ4_K}) {
    for (const Kernels* kernels : runnable_kernels()) {
      CAPTURE(to_string(type), to_string(kernels->level));
      const std::size_t columns = block_shape(type).values;
      const auto file = weft::fakes::quantize(type, random_floats(columns, 8));
      const Matrix matrix = pack(type, 1, columns, file, *kernels);
      const auto product = [&](float value) {
        std::vector<float> x(columns, 0.0F);
        x[columns / 2] = value;
        return multiply(matrix, activations(type, 1, columns, x, *kernels))[0];
      };
      CHECK(product(0) == 0);
      CHECK(product(1e-38F) == 0);
      CHECK(std::isnan(product(std::numeric_limits<float>::infinity())));
      CHECK(std::isnan(product(std::numeric_limits<float>::quiet_NaN())));
    }
  }
}

TEST_CASE("F16 and BF16 weights multiply with activations rounded likewise") {
  for (const Kernels* kernels : runnable_kernels()) {
    const std::vector<std::byte> half_one = {std::byte{0x00}, std::byte{0x3C}};
    const std::vector<std::byte> bfloat_one = {std::byte{0x80}, std::byte{0x3F}};
    const std::vector<float> x = {1.0F + 0x1p-9F + 0x1p-11F};
    const auto product = [&](TensorType type, const std::vector<std::byte>& one) {
      return multiply(pack(type, 1, 1, one, *kernels), activations(type, 1, 1, x, *kernels))[0];
    };
    CHECK(product(TensorType::kF16, half_one) == 1.0F + 0x1p-9F);  // a tie: to even
    CHECK(product(TensorType::kBF16, bfloat_one) == 1.0F);
  }
}

TEST_CASE("a packed matrix is about as large as its tensor") {
  for (const TensorType type : kAllTypes) {
    CAPTURE(to_string(type));
    const std::size_t file_bytes = *row_bytes(type, 1536) * 64;
    const std::vector<std::byte> file(file_bytes);
    for (const Kernels* kernels : runnable_kernels()) {
      const Matrix matrix = pack(type, 64, 1536, file, *kernels);
      CHECK(matrix.size_bytes() >= file_bytes);
      CHECK(matrix.size_bytes() <= file_bytes + file_bytes / 30);
    }
  }
}

TEST_CASE("parts that threads take as they come are contiguous, whole groups, and cover all rows") {
  for (const std::size_t rows : {1U, 16U, 33U, 100U, 576U, 4864U}) {
    const std::vector<std::byte> file(*row_bytes(TensorType::kQ4_0, 32) * rows);
    const Matrix matrix = pack(TensorType::kQ4_0, rows, 32, file, cpu::kScalarKernels);
    for (const std::size_t threads : {1U, 2U, 3U, 7U, 64U}) {
      const std::size_t parts = matrix.part_count(threads);
      std::size_t next = 0;
      for (std::size_t i = 0; i < parts; ++i) {
        const auto range = matrix.part(i, threads);
        CHECK(range.begin == next);
        CHECK((range.begin % 32 == 0 || range.begin == rows));
        next = range.end;
      }
      CHECK(next == rows);
    }
    // What is left once a thread at half speed has done its large part is little.
    const auto large = matrix.part(0, 2);
    const auto last = matrix.part(matrix.part_count(2) - 1, 2);
    CHECK(large.end - large.begin <= rows * 3 / 8);
    CHECK((rows < 1000 || last.end - last.begin <= rows / 32));
  }
}

TEST_CASE("partitions are contiguous, whole groups, and cover all rows") {
  const std::vector<std::byte> file(*row_bytes(TensorType::kQ4_0, 32) * 100);
  const Matrix matrix = pack(TensorType::kQ4_0, 100, 32, file, cpu::kScalarKernels);
  for (const std::size_t threads : {1U, 2U, 3U, 7U, 64U}) {
    std::size_t next = 0;
    for (std::size_t thread = 0; thread < threads; ++thread) {
      const auto range = matrix.partition(thread, threads);
      CHECK(range.begin == next);
      CHECK((range.begin % 8 == 0 || range.begin == 100));
      next = range.end;
    }
    CHECK(next == 100);
  }
}

TEST_CASE("pack refuses rows that aren't whole blocks and passes its source's error on") {
  const auto never = [](std::uint64_t, std::span<std::byte>) -> weft::Result<void> {
    return weft::Error{weft::ErrorCode::kIo, "the disk is gone"};
  };
  const auto odd = Matrix::pack(TensorType::kQ4_K, 8, 576, never, Level::kScalar);
  REQUIRE(!odd);
  CHECK(odd.error().code == weft::ErrorCode::kUnsupported);
  const auto unreadable = Matrix::pack(TensorType::kQ4_K, 8, 512, never, Level::kScalar);
  REQUIRE(!unreadable);
  CHECK(unreadable.error().message == "the disk is gone");
}

TEST_CASE("an arena's pieces are aligned, apart, and outlive it") {
  std::vector<std::shared_ptr<std::uint8_t[]>> pieces;
  const std::size_t sizes[] = {1, 100, 64, std::size_t{20} << 20, 3000, std::size_t{33} << 20};
  {
    cpu::WeightArena arena;
    for (const std::size_t size : sizes) pieces.push_back(arena.allocate(size));
    CHECK(arena.allocate(std::numeric_limits<std::size_t>::max()) == nullptr);
  }
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    REQUIRE(pieces[i]);
    CHECK(reinterpret_cast<std::uintptr_t>(pieces[i].get()) % 64 == 0);
    std::memset(pieces[i].get(), static_cast<int>(i), sizes[i]);
  }
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    CHECK(pieces[i][0] == i);
    CHECK(pieces[i][sizes[i] - 1] == i);
  }
}
