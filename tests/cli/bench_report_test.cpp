#include "cli/bench_report.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

namespace weft::cli {
namespace {

BenchReport report() {
  return {.model = "models/a & <b>",
          .level = "avx2",
          .threads = 2,
          .repeat = 5,
          .read_gb_per_s = 20,
          .multiply_gmac_per_s = 100,
          .figures = {{"prefill", "512 tokens", 500, 1000, "multiply-adds"},
                      {"decode", "64 tokens", 30, std::nullopt, ""}}};
}

TEST_CASE("the median is the middle value, or lies between the two middle ones") {
  CHECK(median({3, 1, 2}) == 2);
  CHECK(median({4, 1, 3, 2}) == 2.5);
  CHECK(median({7}) == 7);
}

TEST_CASE("the table has a line a figure, with its share of the bound where there is one") {
  CHECK(bench_table(report()) ==
        "a & <b>, avx2, 2 threads, medians of 5\n"
        "                      tokens/s     bound   share  bounded by\n"
        "prefill  512 tokens        500      1000    50 %  multiply-adds\n"
        "decode   64 tokens        30.0\n"
        "Bounds: memory read at 20.0 GB/s, 100 billion multiply-adds/s, measured here.\n");
}

TEST_CASE("an unknown bound is null in JSON") {
  const auto json = bench_json(report());
  CHECK(json.at("prefill_tokens_per_s") == 500);
  CHECK(json.at("bounds").at("prefill_tokens_per_s") == 1000);
  CHECK(json.at("bounds").at("decode_tokens_per_s").is_null());
  auto scalar = report();
  scalar.multiply_gmac_per_s.reset();
  CHECK(bench_json(scalar).at("bounds").at("multiply_gmac_per_s").is_null());
}

TEST_CASE("a bar is as long as its share of the bound, and names are escaped") {
  const std::string svg = bench_svg(report());
  CHECK(svg.find("a &amp; &lt;b&gt;, avx2") != std::string::npos);
  CHECK(svg.find("width=\"536.0\" height=\"18\" rx=\"3\" class=\"bound\"") != std::string::npos);
  CHECK(svg.find("width=\"268.0\" height=\"18\" rx=\"3\" class=\"value\"") != std::string::npos);
  CHECK(svg.find("isn't known") != std::string::npos);
  auto fast = report();
  fast.figures[0].tokens_per_s = 2000;  // a bound measured too low doesn't make the bar overflow
  CHECK(bench_svg(fast).find("width=\"536.0\" height=\"18\" rx=\"3\" class=\"value\"") !=
        std::string::npos);
}

}  // namespace
}  // namespace weft::cli
