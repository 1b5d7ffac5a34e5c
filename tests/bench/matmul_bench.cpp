// Speed of the matrix products beside what the machine allows: bytes/s of GEMV against the read
// bandwidth, multiply-accumulates/s of GEMM against the rate of the level's multiply sequence
// alone. matmul_bench [--json] [--bounds] [--level NAME] [--type NAME]

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "inference/cpu/machine_bounds.h"
#include "inference/cpu/matrix.h"
#include "inference/cpu/thread_pool.h"

namespace {

using namespace weft::inference;
using cpu::Activations;
using cpu::Level;
using cpu::Matrix;
using cpu::ThreadPool;

constexpr std::size_t kBeyondCache = std::size_t{96} << 20;
constexpr std::size_t kPromptRows = 512;

struct Options {
  bool json = false;
  bool bounds_only = false;
  Level level = cpu::best_level();
  std::string_view type;
};

struct Shape {
  const char* model;
  std::size_t rows;
  std::size_t columns;
};

constexpr Shape kShapes[] = {{"135m", 1536, 576},
                             {"135m", 576, 1536},
                             {"0.5b", 4864, 896},
                             {"0.5b", 896, 4864},
                             {"1.5b", 8960, 1536}};
constexpr TensorType kTypes[] = {TensorType::kQ4_0, TensorType::kQ4_1, TensorType::kQ5_0,
                                 TensorType::kQ8_0, TensorType::kQ4_K, TensorType::kQ6_K,
                                 TensorType::kF16,  TensorType::kF32};

class Report {
 public:
  explicit Report(bool json) : json_(json) {}

  void row(const std::string& name, double value, const char* unit) {
    if (json_) {
      std::printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\"}\n", name.c_str(), value,
                  unit);
    } else {
      std::printf("%-52s %8.2f %s\n", name.c_str(), value, unit);
    }
    std::fflush(stdout);
  }

 private:
  bool json_;
};

// Random bytes with scales that keep everything finite: no field's exponent is all ones.
weft::Result<void> random_bytes(std::uint64_t offset, std::span<std::byte> out) {
  std::minstd_rand random(static_cast<unsigned>(offset) + 1);
  for (auto& byte : out) byte = static_cast<std::byte>((random() >> 8) & 0x3B);
  return {};
}

Activations activations(Level level, TensorType type, std::size_t count, std::size_t columns) {
  std::minstd_rand random(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> row(columns);
  Activations x;
  x.prepare(level, cpu::activation_kind(type), count, columns);
  for (std::size_t i = 0; i < count; ++i) {
    for (float& value : row) value = uniform(random);
    x.set_row(i, row.data());
  }
  return x;
}

void bounds(Report& report, Level level) {
  for (std::size_t threads = 1; threads <= 2; ++threads) {
    const auto read = cpu::read_bytes_per_s(threads);
    const std::string suffix = ", threads " + std::to_string(threads);
    if (read) report.row("read" + suffix, *read * 1e-9, "GB/s");
    if (!read) std::fprintf(stderr, "%s\n", read.error().message.c_str());
    const auto multiply = [&](const char* name, cpu::WeightBits bits) {
      const auto rate = cpu::macs_per_s(level, threads, bits);
      if (rate) {
        report.row("instruction bound, " + std::string(name) + suffix, *rate * 1e-9, "GMAC/s");
      }
    };
    multiply("weights of up to 6 bits", cpu::WeightBits::k6);
    if (level == Level::kAvx2) {
      multiply("weights of 7 bits", cpu::WeightBits::k7);
      multiply("weights of 8 bits", cpu::WeightBits::k8);
    }
  }
}

void gemv(Report& report, const Options& options, TensorType type, const Shape& shape) {
  // Copies of one matrix, more than the caches hold, as the layers of a model are.
  cpu::WeightArena arena;
  std::vector<Matrix> copies;
  std::size_t bytes = 0;
  while (bytes < kBeyondCache) {
    copies.push_back(
        *Matrix::pack(type, shape.rows, shape.columns, random_bytes, options.level, arena));
    bytes += copies.back().size_bytes();
  }
  const Activations x = activations(options.level, type, 1, shape.columns);
  std::vector<float> y(shape.rows);
  for (std::size_t threads = 1; threads <= 2; ++threads) {
    ThreadPool pool(threads);
    const double taken = cpu::best_seconds(threads, [&] {
      pool.run([&](std::size_t thread, cpu::Team& team) {
        for (const Matrix& matrix : copies) {
          matrix.multiply(x, matrix.partition(thread, team.size()), y.data(), shape.rows);
          team.barrier();
        }
      });
    });
    const std::string name = "gemv " + std::string(to_string(type)) + " " + shape.model + " " +
                             std::to_string(shape.rows) + "x" + std::to_string(shape.columns) +
                             ", threads " + std::to_string(threads);
    report.row(name, static_cast<double>(bytes) / taken * 1e-9, "GB/s");
  }
}

void gemm(Report& report, const Options& options, TensorType type, const Shape& shape) {
  const auto matrix = Matrix::pack(type, shape.rows, shape.columns, random_bytes, options.level);
  const Activations x = activations(options.level, type, kPromptRows, shape.columns);
  std::vector<float> y(shape.rows * kPromptRows);
  for (std::size_t threads = 1; threads <= 2; ++threads) {
    ThreadPool pool(threads);
    const double taken = cpu::best_seconds(threads, [&] {
      pool.run([&](std::size_t thread, cpu::Team& team) {
        matrix->multiply(x, matrix->partition(thread, team.size()), y.data(), shape.rows);
      });
    });
    const double macs = static_cast<double>(shape.rows * shape.columns * kPromptRows);
    const std::string name = "gemm " + std::string(to_string(type)) + " " + shape.model + " " +
                             std::to_string(shape.rows) + "x" + std::to_string(shape.columns) +
                             "x" + std::to_string(kPromptRows) + ", threads " +
                             std::to_string(threads);
    report.row(name, macs / taken * 1e-9, "GMAC/s");
  }
}

void packing(Report& report, const Options& options, TensorType type) {
  constexpr std::size_t kRows = 4096;
  constexpr std::size_t kColumns = 4096;
  std::vector<std::byte> file(*row_bytes(type, kColumns) * kRows);
  static_cast<void>(random_bytes(0, file));
  const double taken = cpu::best_seconds(1, [&] {
    const auto source = [&](std::uint64_t offset, std::span<std::byte> out) {
      std::memcpy(out.data(), file.data() + offset, out.size());
      return weft::Result<void>();
    };
    static_cast<void>(Matrix::pack(type, kRows, kColumns, source, options.level));
  });
  report.row("pack " + std::string(to_string(type)),
             static_cast<double>(file.size()) / taken * 1e-9, "GB/s");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--json") {
      options.json = true;
    } else if (argument == "--bounds") {
      options.bounds_only = true;
    } else if (argument == "--level" && i + 1 < argc) {
      const auto level = cpu::choose_level(argv[++i]);
      if (!level) return std::fprintf(stderr, "%s\n", level.error().message.c_str()), 1;
      options.level = *level;
    } else if (argument == "--type" && i + 1 < argc) {
      options.type = argv[++i];
    } else {
      return std::fprintf(stderr,
                          "matmul_bench [--json] [--bounds] [--level NAME] [--type NAME]\n"),
             2;
    }
  }
  Report report(options.json);
  bounds(report, options.level);
  if (options.bounds_only) return 0;
  for (const TensorType type : kTypes) {
    if (!options.type.empty() && options.type != to_string(type)) continue;
    packing(report, options, type);
    for (const Shape& shape : kShapes) {
      if (shape.columns % block_shape(type).values != 0) continue;
      gemm(report, options, type, shape);
      gemv(report, options, type, shape);
    }
  }
  return 0;
}
