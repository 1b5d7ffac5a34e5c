// Decodes TOKENS tokens with nothing attached or with one of the hooks, for instruction counts and
// times of the difference: MODEL MODE TOKENS [THREADS]. Modes: none; tap (the kNN-LM key of each
// token is copied out); chain (a processor that does nothing); mask (few tokens allowed, known
// beforehand); dense (the same mask, not known); lora (an adapter of rank 8 on all projections).
// Prints milliseconds a token.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "inference/adapter/adapter.h"
#include "inference/adapter/attached_adapter.h"
#include "inference/backend.h"
#include "inference/generate.h"
#include "inference/grammar/constraint.h"
#include "inference/model.h"
#include "inference/session.h"

namespace {

using namespace weft;
using namespace weft::inference;

class Idle : public LogitsProcessor {
 public:
  Capabilities capabilities() const noexcept override {
    return {.needs_all_logits = false, .can_roll_back = true};
  }
  std::unique_ptr<LogitsProcessor> clone() const override { return std::make_unique<Idle>(); }
  Result<void> begin(std::span<const TokenId>, std::size_t) override { return {}; }
  Result<void> apply(const LogitsRow&) override { return {}; }
  Result<void> commit(std::size_t) override { return {}; }
  Result<void> rollback(std::size_t) override { return {}; }
};

/// A mask that isn't told beforehand.
class Denying : public Idle {
 public:
  explicit Denying(std::vector<std::uint64_t> bits) : bits_(std::move(bits)) {}
  std::unique_ptr<LogitsProcessor> clone() const override {
    return std::make_unique<Denying>(bits_);
  }
  Result<void> apply(const LogitsRow& row) override {
    grammar::apply_mask(bits_, row.logits);
    return {};
  }

 private:
  std::vector<std::uint64_t> bits_;
};

void attach(GenerateOptions& options, const std::string& mode, const ModelConfig& config,
            std::vector<float>& key) {
  if (mode == "tap") {
    Hooks hooks;
    hooks.taps.push_back({.layer = config.layers - 1,
                          .point = TapPoint::kFfnNormOut,
                          .rows = Tap::Rows::kWanted,
                          .read = [&key](const TapRows& rows) {
                            key.assign(rows.values.begin(), rows.values.end());
                          }});
    options.hooks = std::make_shared<const Hooks>(std::move(hooks));
  } else if (mode == "chain") {
    options.logits.emplace_back(std::make_shared<const Idle>());
  } else if (mode == "mask" || mode == "dense") {
    TokenMask mask;
    std::vector<std::uint64_t> bits((config.vocabulary + 63) / 64);
    for (std::size_t i = 0; i < 50; ++i) {  // as a grammar between two values
      const std::size_t id = i * 7919 % config.vocabulary;
      mask.ids.push_back(static_cast<TokenId>(id));
      bits[id / 64] |= 1ULL << id % 64;
    }
    if (mode == "mask") {
      options.logits.emplace_back(mask);
    } else {
      options.logits.emplace_back(std::make_shared<const Denying>(bits));
    }
  }
}

/// Rank 8 on every linear layer. What it does to the answer doesn't matter, but that it is finite.
Adapter small_adapter(const ModelConfig& config) {
  Adapter adapter{.source = "the benchmark's", .modules = {}, .bases = {}, .digest = "rank 8"};
  for (std::size_t layer = 0; layer < config.layers; ++layer) {
    for (std::size_t i = 0; i < kLinears; ++i) {
      const auto linear = static_cast<Linear>(i);
      const LinearShape shape = linear_shape(linear, config);
      LowRank change{.layer = layer, .linear = linear, .rank = 8, .a = {}, .b = {}};
      change.a.assign(8 * shape.columns, 1e-3F);
      change.b.assign(shape.rows * 8, 1e-3F);
      adapter.modules.push_back({std::move(change), 1});
    }
  }
  return adapter;
}

int fail(const Error& error) { return std::fprintf(stderr, "%s\n", error.message.c_str()), 1; }

int run(const std::string& path, const std::string& mode, std::size_t tokens, std::size_t threads) {
  auto backend = open_backend({.threads = threads});
  if (!backend) return fail(backend.error());
  auto model = Model::load(path, **backend);
  if (!model) return fail(model.error());
  SessionOptions session_options;
  if (mode == "lora") {
    const Adapter adapter = small_adapter((*model)->config());
    const AdapterUse use{&adapter};
    auto attached = AttachedAdapter::attach(*model, std::span(&use, 1));
    if (!attached) return fail(attached.error());
    session_options.adapter = *std::move(attached);
  }
  auto session = Session::open(*model, session_options);
  GenerateOptions options;
  options.max_tokens = tokens;
  options.ignore_end_tokens = true;
  options.draft_tokens_max = 0;
  std::vector<float> key;
  attach(options, mode, (*model)->config(), key);
  const std::vector<TokenId> prompt = {1, 2, 3, 4};
  const auto made = generate(*session, prompt, options);
  if (!made) return fail(made.error());
  const double ms = made->timing.decode.count() * 1000 / static_cast<double>(made->ids.size());
  std::printf("{\"name\": \"%s\", \"value\": %.4f, \"unit\": \"ms/token\"}\n", mode.c_str(), ms);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) {
    std::fprintf(stderr, "usage: %s MODEL none|tap|chain|mask|dense|lora TOKENS [THREADS]\n",
                 argv[0]);
    return 2;
  }
  return run(argv[1], argv[2], std::strtoull(argv[3], nullptr, 10),
             argc == 5 ? std::strtoull(argv[4], nullptr, 10) : 1);
}
