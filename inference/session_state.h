#pragma once
// What a session is made of, for the files that read with it. Private to inference.

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "inference/adapter/attached_adapter.h"
#include "inference/backend.h"
#include "inference/kv_cache.h"
#include "inference/prefix_cache.h"
#include "inference/session.h"
#include "inference/step_logits.h"

namespace weft::inference {

/// What runs the steps. Forks share it, so it is locked for an append.
struct Workspace {
  Workspace(std::unique_ptr<StepRunner> steps, const ModelConfig& config)
      : runner(std::move(steps)), logits(config) {}
  std::mutex mutex;
  std::unique_ptr<StepRunner> runner;
  StepLogits logits;
};

struct OnRow {
  std::function<void(std::size_t, std::span<const float>)> take;
  NeededTokens needed = {};
};

struct Session::State {
  std::shared_ptr<const Model> model;
  std::size_t context_length = 0;
  KvCache cache;
  std::vector<TokenId> tokens;
  /// How many of them were read as such: past a row of floats, a head token or what hooks
  /// changed, keys and values aren't those of the tokens.
  std::size_t plain = 0;
  std::vector<float> logits;
  std::shared_ptr<Workspace> workspace;
  PrefixCache* prefixes = nullptr;
  std::shared_ptr<const AttachedAdapter> adapter;
  std::optional<HookRun> hooks = {};
  std::string policy = {};  // that the tokens were read with

  PrefixCache::Space space() const {
    return {.numerics = numerics_of(*model, adapter.get()), .policy = policy_of(attached())};
  }
  const AdapterWeights* adapter_weights() const {
    return adapter == nullptr ? nullptr : &adapter->weights();
  }
  bool has_policy() const { return tokens.empty() || policy == policy_of(attached()); }
  std::span<const TokenId> plain_tokens() const { return std::span(tokens).first(plain); }
  const Hooks* attached() const { return hooks ? &hooks->hooks() : nullptr; }
  /// Of what is read with the hooks now attached.
  std::shared_ptr<const KvMemory> memory() const {
    return memory_for(workspace->runner->kv_memory(), attached());
  }
  /// What is to be read on from: while nothing was read, in memory for the hooks.
  KvCache beginning() const { return tokens.empty() ? KvCache(memory()) : cache; }
  void truncate(std::size_t length);
  /// Those of the vocabulary, and `more` beyond it; and that there is room for them.
  Result<void> check(std::span<const TokenId> ids, std::size_t more = 0) const;
  Result<void> check_ids(std::span<const TokenId> ids, std::size_t more = 0) const;
  Result<void> check_room(std::size_t count) const;
  /// `rows` as in Slice; what is read was checked before.
  Result<void> read(std::span<const TokenId> ids, std::span<const float> rows,
                    std::size_t first_wanted, const OnRow* on_row, const std::stop_token& stop);
  /// Counts what the cache holds now as read, tokens or (kNoToken) rows.
  void add(std::span<const TokenId> ids);
  /// Logits after `count` wanted tokens of the step from `first` on; the last stay in `logits`,
  /// unless they may be needed of few tokens only.
  Result<void> hand_out(std::size_t first, std::size_t count, const OnRow& on_row);
};

}  // namespace weft::inference
