// Embeds sentences of a given length, over and over, and prints what came of it as one JSON line:
// {"tokens_per_s" of the best repetition, "milliseconds" and "cpu_milliseconds" (of all threads) of
// each, "level", "precision", "macs_per_token"}. CPU time tells more where other programs run too.
// Run: weft_embed_bench MODEL TEXTS.json [--threads N] [--repeat N] [--level L] [--precision
// int8|f32] TEXTS.json is a list of strings; it is embedded as one call.

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "inference/embedder.h"

namespace {

using namespace weft;
using namespace weft::inference;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string model;
  std::string texts;
  std::string level;
  std::string precision = "int8";
  std::size_t threads = 1;
  std::size_t repeat = 5;
  std::size_t tokens = 0;
};

double cpu_milliseconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

Result<void> run(const Options& options) {
  WEFT_TRY(level, cpu::choose_level(options.level));
  WEFT_TRY(precision, embedder_precision(options.precision));
  EmbedderOptions opening;
  opening.precision = precision;
  opening.level = level;
  opening.tokens_max = options.tokens;
  WEFT_TRY(embedder, Embedder::open(options.model, opening));
  const auto listed = nlohmann::json::parse(std::ifstream(options.texts), nullptr, false);
  if (!listed.is_array() || listed.empty()) {
    return Error{ErrorCode::kInvalidArgument, options.texts + " isn't a list of strings"};
  }
  const auto owned = listed.get<std::vector<std::string>>();
  const std::vector<std::string_view> texts(owned.begin(), owned.end());
  cpu::ThreadPool pool(options.threads);
  std::vector<double> milliseconds, cpu;
  std::size_t tokens = 0;
  for (std::size_t i = 0; i <= options.repeat; ++i) {
    const auto start = Clock::now();
    const double cpu_start = cpu_milliseconds();
    WEFT_TRY(made, embedder->embed(texts, pool, {}));
    const double took = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    tokens = std::accumulate(made.tokens.begin(), made.tokens.end(), std::size_t{0});
    if (i == 0) continue;  // it warms up
    milliseconds.push_back(took);
    cpu.push_back(cpu_milliseconds() - cpu_start);
  }
  const double best = *std::ranges::min_element(milliseconds);
  const nlohmann::json row = {{"tokens_per_s", static_cast<double>(tokens) / best * 1000},
                              {"tokens", tokens},
                              {"milliseconds", milliseconds},
                              {"cpu_milliseconds", cpu},
                              {"level", to_string(level)},
                              {"precision", to_string(precision)},
                              {"macs_per_token", embedder->macs_per_token()}};
  std::printf("%s\n", row.dump().c_str());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    std::size_t* number = flag == "--threads"  ? &options.threads
                          : flag == "--repeat" ? &options.repeat
                          : flag == "--tokens" ? &options.tokens
                                               : nullptr;
    std::string* text = flag == "--level"       ? &options.level
                        : flag == "--precision" ? &options.precision
                                                : nullptr;
    if (number != nullptr && i + 1 < argc) {
      *number = std::max(1UL, std::strtoul(argv[++i], nullptr, 10));
    } else if (text != nullptr && i + 1 < argc) {
      *text = argv[++i];
    } else {
      (options.model.empty() ? options.model : options.texts) = flag;
    }
  }
  if (options.texts.empty()) {
    std::fprintf(stderr,
                 "usage: weft_embed_bench MODEL TEXTS.json [--threads N] [--repeat N] [--tokens N] "
                 "[--level L] [--precision int8|f32]\n");
    return 2;
  }
  const auto done = run(options);
  if (!done) std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
