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

#include "inference/cpu/backend.h"
#include "inference/model.h"
#include "inference/sampler.h"
#include "inference/session.h"

namespace {

using namespace weft;
using namespace weft::inference;

struct Options {
  std::string model;
  cpu::Level level = cpu::best_level();
  bool cpu_time = false;
  std::size_t context = 0;
  std::size_t threads = 1;
  std::size_t prompt = 512;
  std::size_t generate = 64;
  std::size_t repeat = 5;
};

struct Times {
  std::vector<double> prefill, decode;
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

/// Prefill from an empty context, then decode from one of options.context tokens (at least one, so
/// that there are logits to start from), as llama-bench does it.
Result<void> measure(Session& session, const Options& options, Times& times) {
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < std::max(options.prompt, options.context); ++i) {
    tokens.push_back(static_cast<TokenId>((i * 7919 + 13) % 10000));
  }
  WEFT_TRY_VOID(session.truncate(0));
  auto start = now(options);
  WEFT_TRY_VOID(session.append(std::span(tokens).first(options.prompt)));
  times.prefill.push_back(now(options) - start);
  WEFT_TRY_VOID(session.truncate(0));
  WEFT_TRY_VOID(session.append(std::span(tokens).first(std::max<std::size_t>(options.context, 1))));
  start = now(options);
  for (std::size_t i = 0; i < options.generate; ++i) {
    const TokenId next = sample(session.logits(), {}, i);
    WEFT_TRY_VOID(session.append(std::span(&next, 1)));
  }
  times.decode.push_back(now(options) - start);
  return {};
}

/// Multiply-adds of the layers' matrices, a token.
double layer_macs(const ModelConfig& c) {
  const double attention = static_cast<double>(c.width) * static_cast<double>(c.head_width) *
                           static_cast<double>(2 * c.heads + 2 * c.kv_heads);
  const double ffn = 3.0 * static_cast<double>(c.width) * static_cast<double>(c.ffn_width);
  return static_cast<double>(c.layers) * (attention + ffn);
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
  const std::size_t length = std::max(options.prompt, options.context + options.generate + 1);
  WEFT_TRY(session, Session::open(model, {.context_length_max = length}));
  Times times;
  for (std::size_t i = 0; i < options.repeat; ++i) {
    WEFT_TRY_VOID(measure(session, options, times));
  }
  print_row("prefill_tokens_per_s", static_cast<double>(options.prompt) / median(times.prefill),
            "tokens/s");
  print_row("decode_tokens_per_s", static_cast<double>(options.generate) / median(times.decode),
            "tokens/s");
  print_row("bytes_per_token", static_cast<double>(model->weights().size_bytes()), "bytes");
  // Keys and values in half precision, which decoding reads once a token.
  print_row("bytes_per_context_token",
            static_cast<double>(4 * model->config().layers * model->config().kv_heads *
                                model->config().head_width),
            "bytes");
  print_row("mac_per_token", layer_macs(model->config()), "multiply-adds");
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    std::size_t* number = flag == "--threads"    ? &options.threads
                          : flag == "--prompt"   ? &options.prompt
                          : flag == "--generate" ? &options.generate
                          : flag == "--context"  ? &options.context
                          : flag == "--repeat"   ? &options.repeat
                                                 : nullptr;
    if (number != nullptr && i + 1 < argc) {
      *number = std::strtoul(argv[++i], nullptr, 10);
      if (number != &options.context) *number = std::max<std::size_t>(1, *number);
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
  const auto done = run(options);
  if (!done) std::fprintf(stderr, "%s\n", done.error().message.c_str());
  return done ? 0 : 1;
}
