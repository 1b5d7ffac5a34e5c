// Prefill and decode of a model file, with what a token costs, so that bounds can be worked out.
// Prints one JSON row a figure: {"name", "value", "unit"}; medians over the repetitions.
// Run: weft_engine_bench MODEL.gguf [--threads N] [--prompt N] [--generate N] [--repeat N]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "inference/cpu/thread_pool.h"
#include "inference/model.h"
#include "inference/sampler.h"
#include "inference/session.h"

namespace {

using namespace weft;
using namespace weft::inference;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string model;
  std::size_t threads = 1;
  std::size_t prompt = 512;
  std::size_t generate = 64;
  std::size_t repeat = 5;
};

struct Times {
  std::vector<double> prefill, decode;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

/// Prefill from an empty context, then decode from an empty one, as llama-bench does it.
Result<void> measure(Session& session, const Options& options, Times& times) {
  std::vector<TokenId> prompt;
  for (std::size_t i = 0; i < options.prompt; ++i) {
    prompt.push_back(static_cast<TokenId>((i * 7919 + 13) % 10000));
  }
  WEFT_TRY_VOID(session.truncate(0));
  auto start = Clock::now();
  WEFT_TRY_VOID(session.append(prompt));
  times.prefill.push_back(seconds_since(start));
  WEFT_TRY_VOID(session.truncate(0));
  WEFT_TRY_VOID(session.append(std::span(prompt).first(1)));
  start = Clock::now();
  for (std::size_t i = 0; i < options.generate; ++i) {
    const TokenId next = sample(session.logits(), {}, i);
    WEFT_TRY_VOID(session.append(std::span(&next, 1)));
  }
  times.decode.push_back(seconds_since(start));
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
  const auto start = Clock::now();
  WEFT_TRY(model, Model::load(options.model, {}));
  print_row("load_s", seconds_since(start), "s");
  cpu::ThreadPool pool(options.threads);
  WEFT_TRY(session, Session::open(model, pool,
                                  {.context_length_max = options.prompt + options.generate + 1}));
  Times times;
  for (std::size_t i = 0; i < options.repeat; ++i) {
    WEFT_TRY_VOID(measure(session, options, times));
  }
  print_row("prefill_tokens_per_s", static_cast<double>(options.prompt) / median(times.prefill),
            "tokens/s");
  print_row("decode_tokens_per_s", static_cast<double>(options.generate) / median(times.decode),
            "tokens/s");
  print_row("bytes_per_token", static_cast<double>(model->weight_bytes()), "bytes");
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
                          : flag == "--repeat"   ? &options.repeat
                                                 : nullptr;
    if (number != nullptr && i + 1 < argc) {
      *number = std::max(1UL, std::strtoul(argv[++i], nullptr, 10));
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
