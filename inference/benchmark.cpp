#include "inference/benchmark.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inference/engine.h"
#include "inference/sampler.h"

namespace weft::inference {
namespace {

constexpr double kHalfBytes = 2;  // of a key's or value's number

/// `count` tokens that every vocabulary has, none like its neighbour.
std::vector<TokenId> some_tokens(const Model& model, std::size_t count) {
  const std::size_t most = std::min<std::size_t>(10000, model.config().vocabulary);
  std::vector<TokenId> tokens;
  for (std::size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<TokenId>((i * 7919 + 13) % most));
  }
  return tokens;
}

/// Decoding needs logits to start from: one token at the least.
std::size_t first_tokens(const Benchmark& benchmark) {
  return std::max<std::size_t>(benchmark.context, 1);
}

Error cancelled() { return {ErrorCode::kCancelled, "the benchmark was cancelled"}; }

double rate(std::size_t tokens, double seconds) { return static_cast<double>(tokens) / seconds; }

}  // namespace

std::size_t Benchmark::context_length() const noexcept {
  // One more than is generated, for the token that the engine chooses last.
  return std::max(prompt, std::max<std::size_t>(context, 1) + generate + 1);
}

Result<double> prefill_rate(Session& session, const Benchmark& benchmark) {
  const auto tokens = some_tokens(session.model(), benchmark.prompt);
  WEFT_TRY_VOID(session.truncate(0));
  const double start = benchmark.seconds();
  WEFT_TRY_VOID(session.append(tokens, benchmark.stop));
  return rate(benchmark.prompt, benchmark.seconds() - start);
}

Result<double> decode_rate(Session& session, const Benchmark& benchmark) {
  WEFT_TRY_VOID(session.truncate(0));
  WEFT_TRY_VOID(
      session.append(some_tokens(session.model(), first_tokens(benchmark)), benchmark.stop));
  const double start = benchmark.seconds();
  for (std::size_t i = 0; i < benchmark.generate; ++i) {
    const TokenId next = sample(session.logits(), {}, i);
    WEFT_TRY_VOID(session.append(std::span(&next, 1), benchmark.stop));
  }
  return rate(benchmark.generate, benchmark.seconds() - start);
}

Result<double> batch_rate(const std::shared_ptr<const Model>& model, const Benchmark& benchmark) {
  const std::size_t sequences = benchmark.sequences;
  if (sequences > kStepTokensMax / 2) {
    return Error{ErrorCode::kInvalidArgument, "at most " + std::to_string(kStepTokensMax / 2) +
                                                  " sequences decode in one batch, not " +
                                                  std::to_string(sequences)};
  }
  WEFT_TRY(engine, Engine::open(model, {.context_length_max = benchmark.context_length(),
                                        .sequences_max = sequences,
                                        .queue_max = sequences,
                                        .kv_bytes_max = SIZE_MAX / 2}));
  Request request;
  request.prompt = some_tokens(*model, first_tokens(benchmark));
  request.options.max_tokens = benchmark.generate;
  request.options.ignore_end_tokens = true;
  request.options.stop_token = benchmark.stop;
  request.options.draft_tokens_max = 0;
  request.samples = sequences;
  std::optional<Error> failed;
  const auto on_end = [&failed](AnswerId, Result<Generation> made) {
    if (!made && !failed) failed = std::move(made).error();
  };
  WEFT_TRY_VOID(engine.submit({{request}}, {.on_text = {}, .on_end = on_end}));
  while (engine.counters().decoded_tokens < sequences && engine.step()) {
  }
  const auto before = engine.counters().decoded_tokens;
  const double start = benchmark.seconds();
  engine.run();
  const double taken = benchmark.seconds() - start;
  if (benchmark.stop.stop_requested()) return cancelled();
  if (failed) return *std::move(failed);
  return rate(engine.counters().decoded_tokens - before, taken);
}

ModelCost cost_of(const Model& model) {
  const ModelConfig& c = model.config();
  const double attention = static_cast<double>(c.width) * static_cast<double>(c.head_width) *
                           static_cast<double>(2 * c.heads + 2 * c.kv_heads);
  const double ffn = 3.0 * static_cast<double>(c.width) * static_cast<double>(c.ffn_width);
  return {.layer_macs = static_cast<double>(c.layers) * (attention + ffn),
          .head_macs = static_cast<double>(c.vocabulary) * static_cast<double>(c.width),
          .weight_bytes = static_cast<double>(model.weights().size_bytes())};
}

double context_bytes(const ModelConfig& config, double context) {
  double tokens = 0;  // of all layers
  for (const LayerAttention& layer : config.attention) {
    const auto window = static_cast<double>(layer.window);
    tokens += window > 0 ? std::min(window, context) : context;
  }
  return tokens * 2 * kHalfBytes * static_cast<double>(config.kv_heads * config.head_width);
}

namespace {

/// context_bytes() as the model's backend keeps keys and values.
double kept_bytes(const Model& model, double context) {
  const double halves = context_bytes(model.config(), context);
  const auto runner = model.weights().open_runner();
  if (!runner) return halves;
  const auto token = static_cast<double>((*runner)->kv_memory()->block_bytes()) / kKvBlockTokens;
  return halves * token / context_bytes(model.config(), 1);
}

}  // namespace

double prefill_bound(const Model& model, const MachineSpeed& machine) {
  return machine.macs_per_s / cost_of(model).layer_macs;
}

double decode_bound(const Model& model, const MachineSpeed& machine, const Benchmark& benchmark) {
  // On the average half of the generated tokens are context too.
  const double context =
      static_cast<double>(benchmark.context) + static_cast<double>(benchmark.generate) / 2;
  return machine.read_bytes_per_s / (cost_of(model).weight_bytes + kept_bytes(model, context));
}

double batch_bound(const Model& model, const MachineSpeed& machine, const Benchmark& benchmark) {
  const ModelCost cost = cost_of(model);
  const auto sequences = static_cast<double>(benchmark.sequences);
  const auto shared = static_cast<double>(benchmark.context);
  const double half = static_cast<double>(benchmark.generate) / 2;
  // Weights and what is shared are read once a step, the rest by each sequence.
  const double common = kept_bytes(model, shared);
  const double own = kept_bytes(model, shared + half) - common;
  const double bytes = cost.weight_bytes + common + sequences * own;
  double seconds = bytes / machine.read_bytes_per_s;
  if (machine.macs_per_s > 0) {
    seconds =
        std::max(seconds, sequences * (cost.layer_macs + cost.head_macs) / machine.macs_per_s);
  }
  return sequences / seconds;
}

}  // namespace weft::inference
