#include "inference/benchmark.h"

#include <catch2/catch.hpp>
#include <stop_token>

#include "inference/cpu/machine_bounds.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

/// A clock that has gone on by a second whenever it is looked at.
Benchmark ticking(double& now) {
  return {.prompt = 20,
          .generate = 6,
          .context = 10,
          .sequences = 3,
          .seconds = [&now] { return now += 1; },
          .stop = {}};
}

TEST_CASE("rates are the tokens of each phase over its time") {
  const auto model = tiny();
  double now = 0;
  const Benchmark benchmark = ticking(now);
  auto session = Session::open(model, {.context_length_max = benchmark.context_length()}).value();
  CHECK(prefill_rate(session, benchmark).value() == 20);
  CHECK(session.tokens().size() == 20);
  CHECK(decode_rate(session, benchmark).value() == 6);
  CHECK(session.tokens().size() == 16);
  // Each of the sequences had its first token before the clock was looked at.
  CHECK(batch_rate(model, benchmark).value() == 3 * 5);
}

TEST_CASE("a stopped benchmark is cancelled, not fast") {
  const auto model = tiny();
  double now = 0;
  Benchmark benchmark = ticking(now);
  std::stop_source source;
  source.request_stop();
  benchmark.stop = source.get_token();
  auto session = Session::open(model).value();
  CHECK(prefill_rate(session, benchmark).error().code == ErrorCode::kCancelled);
  CHECK(decode_rate(session, benchmark).error().code == ErrorCode::kCancelled);
  CHECK(batch_rate(model, benchmark).error().code == ErrorCode::kCancelled);
  CHECK(cpu::read_bytes_per_s(1, benchmark.stop).error().code == ErrorCode::kCancelled);
}

TEST_CASE("a window bounds what a layer reads of the context") {
  ModelConfig config;
  config.kv_heads = 2;
  config.head_width = 16;
  config.attention = {{.window = 0}, {.window = 24}};
  // Keys and values of 2 heads of 16 halves: 128 bytes a token and layer.
  CHECK(context_bytes(config, 10) == 128 * 20);
  CHECK(context_bytes(config, 100) == 128 * 124);
}

TEST_CASE("bounds follow from a token's cost") {
  const auto model = tiny();
  // 2 layers of width 64, 4 heads and 2 of keys of 16, FFN 128: q and o 64 * 64, k and v 64 * 32.
  const ModelCost cost = cost_of(*model);
  CHECK(cost.layer_macs == 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128));
  CHECK(cost.head_macs == static_cast<double>(model->config().vocabulary) * 64);
  double now = 0;
  const Benchmark benchmark = ticking(now);
  CHECK(prefill_bound(*model, {.macs_per_s = 2 * cost.layer_macs}) == 2);
  // 10 tokens of context and half of the 6, with 256 bytes each.
  const double bytes = cost.weight_bytes + 13 * 256;
  CHECK(decode_bound(*model, {.read_bytes_per_s = 5 * bytes}, benchmark) == Approx(5));
  // 3 sequences share the 10 tokens; each has 3 of its own.
  const double batch_bytes = cost.weight_bytes + 10 * 256 + 3 * 3 * 256;
  MachineSpeed machine = {.read_bytes_per_s = batch_bytes};
  CHECK(batch_bound(*model, machine, benchmark) == Approx(3));
  machine.macs_per_s = (cost.layer_macs + cost.head_macs) / 2;  // slower than the memory
  CHECK(batch_bound(*model, machine, benchmark) == Approx(0.5));
}

}  // namespace
}  // namespace weft::inference
