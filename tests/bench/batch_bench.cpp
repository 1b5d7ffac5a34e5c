// Siblings that share a prefix, in one batch: total tokens/s while all decode, as
// llama-batched-bench measures it. Prints JSON rows. Run: weft_batch_bench MODEL.gguf [--threads N]
// [--siblings N]
//   [--prefix N] [--generate N] [--repeat N] [--level NAME]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "inference/benchmark.h"
#include "inference/cpu/backend.h"
#include "inference/model.h"

namespace {

using namespace weft;
using namespace weft::inference;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string model;
  cpu::Level level = cpu::best_level();
  std::size_t threads = 1;
  std::size_t repeat = 3;
  Benchmark benchmark = {
      .prompt = 0,
      .context = 256,
      .sequences = 16,
      .seconds =
          [] { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); },
      .stop = {}};
};

Result<void> run(const Options& options) {
  const auto backend =
      cpu::make_backend(options.level, std::make_shared<cpu::ThreadPool>(options.threads));
  WEFT_TRY(model, Model::load(options.model, *backend));
  std::vector<double> rates;
  for (std::size_t i = 0; i < options.repeat; ++i) {
    WEFT_TRY(rate, batch_rate(model, options.benchmark));
    rates.push_back(rate);
  }
  std::ranges::sort(rates);
  std::printf("{\"name\": \"total_tokens_per_s\", \"value\": %.3f, \"unit\": \"tokens/s\"}\n",
              rates[rates.size() / 2]);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    std::size_t* number = flag == "--threads"    ? &options.threads
                          : flag == "--siblings" ? &options.benchmark.sequences
                          : flag == "--prefix"   ? &options.benchmark.context
                          : flag == "--generate" ? &options.benchmark.generate
                          : flag == "--repeat"   ? &options.repeat
                                                 : nullptr;
    if (number != nullptr && i + 1 < argc) {
      *number = std::max(1UL, std::strtoul(argv[++i], nullptr, 10));
    } else if (flag == "--level" && i + 1 < argc) {
      const auto level = cpu::choose_level(argv[++i]);
      if (!level) return std::fprintf(stderr, "%s\n", level.error().message.c_str()), 1;
      options.level = *level;
    } else {
      options.model = flag;
    }
  }
  const auto done = run(options);
  if (!done) std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
