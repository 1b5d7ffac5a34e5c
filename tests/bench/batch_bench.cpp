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

#include "inference/cpu/backend.h"
#include "inference/engine.h"
#include "inference/model.h"

namespace {

using namespace weft;
using namespace weft::inference;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string model;
  cpu::Level level = cpu::best_level();
  std::size_t threads = 1;
  std::size_t siblings = 16;
  std::size_t prefix = 256;
  std::size_t generate = 64;
  std::size_t repeat = 3;
};

/// Tokens a second of all siblings together, once all of them decode.
Result<double> measure(const std::shared_ptr<const Model>& model, const Options& options) {
  WEFT_TRY(engine, Engine::open(model, {.context_length_max = options.prefix + options.generate + 1,
                                        .sequences_max = options.siblings}));
  Request request;
  for (std::size_t i = 0; i < options.prefix; ++i) {
    request.prompt.push_back(static_cast<TokenId>((i * 7919 + 13) % 10000));
  }
  request.options.max_tokens = options.generate;
  request.options.ignore_end_tokens = true;
  request.options.sampling.temperature = 1;
  request.samples = options.siblings;
  WEFT_TRY_VOID(engine.submit({{request}}, {}));
  while (engine.counters().decoded_tokens < options.siblings && engine.step()) {
  }
  const auto before = engine.counters().decoded_tokens;
  const auto start = Clock::now();
  engine.run();
  const std::chrono::duration<double> taken = Clock::now() - start;
  return static_cast<double>(engine.counters().decoded_tokens - before) / taken.count();
}

Result<void> run(const Options& options) {
  const auto backend =
      cpu::make_backend(options.level, std::make_shared<cpu::ThreadPool>(options.threads));
  WEFT_TRY(model, Model::load(options.model, *backend));
  std::vector<double> rates;
  for (std::size_t i = 0; i < options.repeat; ++i) {
    WEFT_TRY(rate, measure(model, options));
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
                          : flag == "--siblings" ? &options.siblings
                          : flag == "--prefix"   ? &options.prefix
                          : flag == "--generate" ? &options.generate
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
