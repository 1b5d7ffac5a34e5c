#pragma once
// What `weft bench` found, for people, scripts and papers. Pure: figures in, text out.

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::cli {

struct BenchFigure {
  std::string name;             // "prefill", "decode", "batch", "embed"
  std::string what;             // of how many tokens
  double tokens_per_s = 0;      // the median
  std::optional<double> bound;  // tokens/s that the machine allows, if that is known
  std::string bounded_by;       // "memory", "multiply-adds", "memory and multiply-adds"
};

struct BenchReport {
  std::string model;
  std::string level;
  std::size_t threads = 0;
  std::size_t repeat = 0;  // measurements that each figure is the median of
  double read_gb_per_s = 0;
  std::optional<double> multiply_gmac_per_s;  // none at the scalar level
  std::vector<BenchFigure> figures;
};

/// The middle value, or the mean of the two middle ones. `values` isn't empty.
double median(std::vector<double> values);

/// A line a figure, and one of what the bounds were worked out from.
std::string bench_table(const BenchReport& report);

/// {"model", "level", "threads", "repeat", "NAME_tokens_per_s" of each figure, "bounds":
/// {"read_gb_per_s", "multiply_gmac_per_s", "NAME_tokens_per_s"}}; null where a bound isn't known.
nlohmann::ordered_json bench_json(const BenchReport& report);

/// A picture of one bar a figure, as long as its share of the bound.
std::string bench_svg(const BenchReport& report);

}  // namespace weft::cli
