// Prefill and decode of a model file, with what a token costs, so that bounds can be worked out.
// Prints one JSON row a figure: {"name", "value", "unit"}; medians over the repetitions.
// Run: weft_engine_bench MODEL.gguf [--threads N] [--prompt N] [--generate N] [--context N]
//          [--repeat N] [--level NAME] [--cpu-time]
// --context: tokens that are there already when decoding starts. --cpu-time: seconds are the
// process's CPU time, not the clock's: of use with one thread on a machine that is busy elsewhere.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "inference/benchmark.h"
#include "inference/cpu/backend.h"
#include "inference/model.h"
#include "inference/session.h"

namespace {

using namespace weft;
using namespace weft::inference;

struct Options {
  std::string model;
  cpu::Level level = cpu::best_level();
  bool cpu_time = false;
  std::size_t threads = 1;
  std::size_t repeat = 5;
  Benchmark benchmark;
};

double now(const Options& options) {
  timespec time{};
  clock_gettime(options.cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void print_row(const char* name, double value, const char* unit) {
  std::printf("{\"name\": \"%s\", \"value\": %.4f, \"unit\": \"%s\"}\n", name, value, unit);
}

Result<void> run(const Options& options) {
  const double start = now(options);
  const auto backend =
      cpu::make_backend(options.level, std::make_shared<cpu::ThreadPool>(options.threads));
  WEFT_TRY(model, Model::load(options.model, *backend));
  print_row("load_s", now(options) - start, "s");
  WEFT_TRY(session,
           Session::open(model, {.context_length_max = options.benchmark.context_length()}));
  std::vector<double> prefill, decode;
  for (std::size_t i = 0; i < options.repeat; ++i) {
    WEFT_TRY(read, prefill_rate(session, options.benchmark));
    prefill.push_back(read);
    WEFT_TRY(decoded, decode_rate(session, options.benchmark));
    decode.push_back(decoded);
  }
  print_row("prefill_tokens_per_s", median(prefill), "tokens/s");
  print_row("decode_tokens_per_s", median(decode), "tokens/s");
  const ModelCost cost = cost_of(*model);
  print_row("bytes_per_token", cost.weight_bytes, "bytes");
  print_row("bytes_per_context_token", context_bytes(model->config(), 1), "bytes");
  print_row("mac_per_token", cost.layer_macs, "multiply-adds");
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    std::size_t* number = flag == "--threads"    ? &options.threads
                          : flag == "--prompt"   ? &options.benchmark.prompt
                          : flag == "--generate" ? &options.benchmark.generate
                          : flag == "--context"  ? &options.benchmark.context
                          : flag == "--repeat"   ? &options.repeat
                                                 : nullptr;
    if (number != nullptr && i + 1 < argc) {
      *number = std::strtoul(argv[++i], nullptr, 10);
      if (number != &options.benchmark.context) *number = std::max<std::size_t>(1, *number);
    } else if (flag == "--level" && i + 1 < argc) {
      const auto level = cpu::choose_level(argv[++i]);
      if (!level) return std::fprintf(stderr, "%s\n", level.error().message.c_str()), 1;
      options.level = *level;
    } else if (flag == "--cpu-time") {
      options.cpu_time = true;
    } else if (flag != "--json") {
      options.model = flag;
    }
  }
  if (options.model.empty()) {
    std::fprintf(stderr,
                 "usage: weft_engine_bench MODEL.gguf [--threads N] [--prompt N] "
                 "[--generate N] [--repeat N]\n");
    return 2;
  }
  options.benchmark.seconds = [&options] { return now(options); };
  const auto done = run(options);
  if (!done) std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
