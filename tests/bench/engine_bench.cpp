// Tokens a second of a model file: prefill of 512 tokens, and decode of 64 after them, on one
// thread and on two. Prints one JSON row a figure: {"name", "value", "unit"}; the best of a few
// runs. Run: weft_engine_bench MODEL.gguf [RUNS]

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

constexpr std::size_t kPrefillTokens = 512;
constexpr std::size_t kDecodeTokens = 64;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Seconds for the prefill and for the decode.
Result<std::pair<double, double>> measure(const std::shared_ptr<const Model>& model,
                                          cpu::ThreadPool& pool) {
  WEFT_TRY(session, Session::open(model, pool));
  std::vector<TokenId> prompt;
  for (std::size_t i = 0; i < kPrefillTokens; ++i) {
    prompt.push_back(static_cast<TokenId>((i * 7919 + 13) % 10000));
  }
  const auto start = Clock::now();
  WEFT_TRY_VOID(session.append(prompt));
  const double prefill = seconds_since(start);
  WEFT_TRY_VOID(session.truncate(0));
  WEFT_TRY_VOID(session.append(std::span(prompt).first(16)));
  const auto decode_start = Clock::now();
  for (std::size_t i = 0; i < kDecodeTokens; ++i) {
    const TokenId next = sample(session.logits(), {}, i);
    WEFT_TRY_VOID(session.append(std::span(&next, 1)));
  }
  return std::pair{prefill, seconds_since(decode_start)};
}

void print_row(const std::string& name, double value, const char* unit) {
  std::printf("{\"name\": \"%s\", \"value\": %.2f, \"unit\": \"%s\"}\n", name.c_str(), value, unit);
}

int run(const std::string& path, int runs) {
  const auto start = Clock::now();
  auto model = Model::load(path, {});
  if (!model) return std::fprintf(stderr, "%s\n", model.error().message.c_str()), 1;
  const std::string stem = (*model)->path().stem().string();
  print_row(stem + " load", seconds_since(start), "s");
  for (const std::size_t threads : {1UL, 2UL}) {
    cpu::ThreadPool pool(threads);
    double prefill = 1e9;
    double decode = 1e9;
    for (int i = 0; i < runs; ++i) {
      const auto times = measure(*model, pool);
      if (!times) return std::fprintf(stderr, "%s\n", times.error().message.c_str()), 1;
      prefill = std::min(prefill, times->first);
      decode = std::min(decode, times->second);
    }
    const std::string suffix = " threads " + std::to_string(threads);
    print_row(stem + " prefill " + std::to_string(kPrefillTokens) + suffix,
              static_cast<double>(kPrefillTokens) / prefill, "tok/s");
    print_row(stem + " decode " + std::to_string(kDecodeTokens) + suffix,
              static_cast<double>(kDecodeTokens) / decode, "tok/s");
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: weft_engine_bench MODEL.gguf [RUNS]\n"), 2;
  return run(argv[1], argc > 2 ? std::max(1, std::atoi(argv[2])) : 3);
}
