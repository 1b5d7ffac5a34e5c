// Attention, positions and layer program of a request, beside the reference and alone beside a
// batch.

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "inference/backend.h"
#include "inference/gguf.h"
#include "inference/hooks.h"
#include "inference/kv_cache.h"
#include "inference/prefix_cache.h"
#include "tests/fakes/counting_backend.h"
#include "tests/fakes/reference_forward.h"
#include "tests/inference/engine_fixture.h"

namespace weft::inference {
namespace {

std::vector<TokenId> ids_of(std::size_t n, TokenId first) {
  std::vector<TokenId> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = (first + 37 * static_cast<TokenId>(i)) % 250;
  return ids;
}

std::shared_ptr<const Hooks> shared(const Hooks& hooks) {
  return std::make_shared<const Hooks>(hooks);
}

/// Logits after `ids`, read in chunks with `hooks`; null: without.
std::vector<float> logits_of(const std::shared_ptr<const Model>& model,
                             std::span<const TokenId> ids,
                             const std::shared_ptr<const Hooks>& hooks, std::size_t chunk = 256) {
  auto session = Session::open(model).value();
  std::optional<Session::HookScope> scope;
  if (hooks != nullptr) scope.emplace(session.attach(hooks).value());
  for (std::size_t i = 0; i < ids.size(); i += chunk) {
    REQUIRE(session.append(ids.subspan(i, std::min(chunk, ids.size() - i))));
  }
  return {session.logits().begin(), session.logits().end()};
}

double relative_error(std::span<const double> expected, std::span<const float> found) {
  double squares = 0;
  double differences = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = expected[i] - static_cast<double>(found[i]);
    squares += expected[i] * expected[i];
    differences += difference * difference;
  }
  return std::sqrt(differences / squares);
}

/// One of each policy, and some together.
std::vector<Hooks> policies() {
  std::vector<Hooks> all(8);
  all[0].attention = {.window = 20};
  all[1].attention = {.window = 30, .sinks = 4, .sink_distance_max = 50};
  all[2].positions = {.rope_base = 40000};
  all[3].positions = {.scale = 0.25F};
  all[4].program = {2, 0};  // skips a layer, the others in another order
  all[5].program = {0, 1, 1};
  all[6].attention = {.window = 70, .sinks = 66};
  all[6].positions = {.rope_base = 20000, .scale = 0.5F};
  all[6].program = {1, 2};
  all[7].program = {0, 1, 1, 2, 0, 2, 2};  // more than the model has
  return all;
}

TEST_CASE("policies give what the reference gives, and the same bits in any chunks") {
  for (const char* architecture : {"llama", "gemma3"}) {
    const TemporaryModel file(
        fakes::TinyModelOptions{.architecture = architecture, .layers = 3, .window_pattern = 3});
    const auto gguf = GgufFile::open(file.path()).value();
    const auto one = file.load(*cpu_backend(1));
    const auto two = file.load(*cpu_backend(2, cpu::best_level(), {.yield_to_load = false}));
    const auto ids = ids_of(150, 3);
    const auto plain = logits_of(one, ids, nullptr);
    CHECK(logits_of(one, ids, shared({})) == plain);
    for (const Hooks& hooks : policies()) {
      INFO(architecture << ": " << policy_of(&hooks));
      fakes::ReferenceOptions options;
      options.hooks = hooks;
      const auto expected = fakes::reference_logits(gguf, ids, options).value();
      const auto found = logits_of(one, ids, shared(hooks));
      CHECK(relative_error(expected.back(), found) < 5e-3);
      CHECK(found != plain);
      CHECK(logits_of(one, ids, shared(hooks), 17) == found);
      CHECK(logits_of(two, ids, shared(hooks), 64) == found);
    }
  }
}

TEST_CASE("a Lambda mask hides what is between, and does nothing while all is in the window") {
  const auto model = tiny(fakes::TinyModelOptions{.layers = 1}, *cpu_backend(1));
  Hooks hooks;
  hooks.attention = {.window = 32, .sinks = 4};
  auto ids = ids_of(100, 7);
  CHECK(logits_of(model, std::span(ids).first(32), shared(hooks)) ==
        logits_of(model, std::span(ids).first(32), nullptr));
  const auto before = logits_of(model, ids, shared(hooks));
  ids[4] = ids[67] = 5;  // beyond the sinks, and just before the window
  CHECK(logits_of(model, ids, shared(hooks)) == before);
  ids[3] = 5;
  const auto sink = logits_of(model, ids, shared(hooks));
  CHECK(sink != before);
  ids[68] = 5;
  CHECK(logits_of(model, ids, shared(hooks)) != sink);
}

TEST_CASE("a layer program of all layers changes no bit, and one that stops ends there") {
  const auto model = tiny(fakes::TinyModelOptions{.layers = 3}, *cpu_backend(1));
  const auto ids = ids_of(40, 7);
  Hooks all;
  all.program = {0, 1, 2};
  CHECK(logits_of(model, ids, shared(all)) == logits_of(model, ids, nullptr));
  Hooks stops;
  stops.program = {0, 1};
  std::size_t rows = 0;
  stops.taps.push_back({.layer = 1, .point = TapPoint::kLayerOut, .read = [&](const TapRows& seen) {
                          rows += seen.values.size() / seen.width;
                        }});
  stops.taps.push_back({.layer = 2, .read = [](const TapRows&) { FAIL("it doesn't run"); }});
  logits_of(model, ids, shared(stops));
  CHECK(rows == 40);
}

TEST_CASE(
    "a longer layer program takes the memory of its steps, and what was read is found again") {
  const auto model = tiny(fakes::TinyModelOptions{.layers = 2}, *cpu_backend(1));
  Hooks hooks;
  hooks.program = {0, 1, 1, 0, 1, 1};
  const auto repeats = shared(hooks);
  const auto prompt = ids_of(80, 6);
  PrefixCache prefixes(std::size_t{8} << 20);
  GenerateOptions options = options_for(4);
  options.hooks = repeats;
  auto session = Session::open(model, {.prefixes = &prefixes}).value();
  REQUIRE(session.append(prompt));  // in memory of the model's own layers, then anew
  const std::size_t plain_bytes = session.kv_bytes();
  REQUIRE(session.truncate(0));
  const auto made = generate(session, prompt, options).value();
  CHECK(session.kv_bytes() == 3 * plain_bytes);
  auto other = Session::open(model, {.prefixes = &prefixes}).value();
  const auto again = generate(other, prompt, options).value();
  CHECK(again.usage.cached_tokens == 79);
  CHECK(again.log_probabilities == made.log_probabilities);
  CHECK(other.kv_bytes() == 3 * plain_bytes);
  // The engine counts on it.
  EngineFixture f;
  f.model = model;
  Group group;
  group.requests.push_back({prompt, options});
  auto enough = f.open({.kv_bytes_max = 3 * plain_bytes});
  REQUIRE(enough.submit(group, f.events()));
  enough.run();
  CHECK(f.ended[{0, 0}].log_probabilities == made.log_probabilities);
  auto little = f.open({.kv_bytes_max = 3 * plain_bytes - 1});
  CHECK(little.submit(group, f.events()).error().code == ErrorCode::kResourceExhausted);
}

/// Logits after the last of `ids`, read in steps of `chunk` by a runner whose cache keeps all
/// blocks.
std::vector<float> kept_logits(const Model& model, std::span<const TokenId> ids,
                               const std::shared_ptr<const Hooks>& hooks, std::size_t chunk) {
  const auto runner = model.weights().open_runner().value();
  KvCache cache(runner->kv_memory());
  HookRun run(hooks);
  for (std::size_t i = 0; i < ids.size(); i += chunk) {
    const auto part = ids.subspan(i, std::min(chunk, ids.size() - i));
    const Slice slice{.ids = part, .cache = &cache, .first_wanted = part.size() - 1, .hooks = &run};
    REQUIRE(runner->read(std::span(&slice, 1)));
  }
  CHECK(cache.is_whole());
  std::vector<float> logits(model.config().vocabulary);
  REQUIRE(runner->logits(0, 1, logits));
  return logits;
}

TEST_CASE("blocks between sinks and window are freed, and nothing misses them") {
  const auto alive = std::make_shared<std::atomic<std::size_t>>(0);
  const TemporaryModel file(fakes::TinyModelOptions{.context_length = 2048});
  const auto model = file.load(*fakes::counting_backend(cpu_backend(2), alive));
  const auto ids = ids_of(1500, 3);
  const std::size_t block_bytes =
      model->weights().open_runner().value()->kv_memory()->block_bytes();
  for (const AttentionPolicy& policy :
       {AttentionPolicy{.window = 100, .sinks = 70}, AttentionPolicy{.window = 64}}) {
    Hooks hooks;
    hooks.attention = policy;
    for (const std::size_t chunk : {250UL, 37UL}) {
      auto session = Session::open(model).value();
      const auto scope = session.attach(shared(hooks)).value();
      std::size_t most = 0;
      for (std::size_t i = 0; i < ids.size(); i += chunk) {
        REQUIRE(session.append(std::span(ids).subspan(i, std::min(chunk, ids.size() - i))));
        most = std::max(most, alive->load());
      }
      // Sinks, the window and a step to go back, each in whole blocks begun: not 24.
      CHECK(most <= (policy.sinks + 63) / 64 + (policy.window + kStepTokensMax + 63) / 64 + 2);
      CHECK(session.kv_bytes() == *alive * block_bytes);
      CHECK(std::ranges::equal(session.logits(), kept_logits(*model, ids, shared(hooks), chunk)));
      // As far back as a step, not much further, and to nothing.
      CHECK(session.truncate(1500 - kStepTokensMax - 64 - chunk).error().code ==
            ErrorCode::kUnsupported);
      CHECK(session.truncate(1500 - kStepTokensMax + 37));
      const auto rest = std::span(ids).subspan(1500 - kStepTokensMax + 37);
      REQUIRE(session.append(rest));
      CHECK(std::ranges::equal(session.logits(), kept_logits(*model, ids, shared(hooks), chunk)));
      CHECK(session.truncate(0));
      CHECK(*alive == 0);
      REQUIRE(session.append(std::span(ids).first(10)));
    }
  }
}

TEST_CASE("an engine frees what a window has left behind, and siblings get their own bits") {
  const auto alive = std::make_shared<std::atomic<std::size_t>>(0);
  EngineFixture f;
  const TemporaryModel file(fakes::TinyModelOptions{.context_length = 2048});
  f.model = file.load(*fakes::counting_backend(cpu_backend(2), alive));
  Hooks hooks;
  hooks.attention = {.window = 70, .sinks = 4};
  Group group;
  for (int i = 0; i < 3; ++i) {
    auto prompt = ids_of(700, 5);
    prompt.push_back(static_cast<TokenId>(i));
    group.requests.push_back({prompt, options_for(6)});
    group.requests.back().options.hooks = shared(hooks);
  }
  auto engine = f.open();
  REQUIRE(engine.submit(group, f.events()));
  std::size_t most = 0;
  while (engine.step()) most = std::max(most, alive->load());
  CHECK(most <= 3 * 8);
  CHECK(*alive == 0);  // none of it is remembered
  f.check_all(group);
}

TEST_CASE("requests of different policies in a batch get what each gets alone") {
  for (const std::size_t batch : {1UL, 2UL, 7UL}) {
    EngineFixture f;
    f.model = tiny(fakes::TinyModelOptions{.layers = 3},
                   *cpu_backend(batch == 2 ? 2 : 1, cpu::best_level(), {.yield_to_load = false}));
    const auto all = policies();
    Group group;
    for (std::size_t i = 0; i < batch; ++i) {
      auto prompt = ids_of(70, 5);  // all begin alike, and nobody may take another's keys
      prompt.push_back(static_cast<TokenId>(i / 3));
      group.requests.push_back({prompt, options_for(6)});
      if (i % 3 != 0) group.requests.back().options.hooks = shared(all[i % all.size()]);
    }
    if (batch == 7) group.requests[4].options.hooks = group.requests[1].options.hooks;
    auto engine = f.open({.prefill_tokens_max = batch == 1 ? 1UL : 17UL});
    REQUIRE(engine.submit(group, f.events()));
    engine.run();
    INFO("batch of " << batch);
    f.check_all(group);
    // Those of one policy share what they have in common.
    if (batch == 7) CHECK(f.ended[{4, 0}].usage.cached_tokens >= 70);
  }
}

TEST_CASE("keys of one policy aren't taken for another's") {
  const auto model = tiny({}, *cpu_backend(1));
  const auto prompt = ids_of(80, 6);
  Hooks hooks;
  hooks.positions = {.scale = 0.5F};
  GenerateOptions scaled = options_for(4);
  scaled.hooks = shared(hooks);
  PrefixCache prefixes(std::size_t{8} << 20);
  auto fresh = Session::open(model).value();
  const auto expected = generate(fresh, prompt, options_for(4)).value();
  auto session = Session::open(model, {.prefixes = &prefixes}).value();
  const auto made = generate(session, prompt, scaled).value();
  CHECK(made.usage.cached_tokens == 0);
  // Without the hooks the same session can't go on, but begins anew.
  CHECK(session.append(ids_of(1, 1)).error().code == ErrorCode::kInvalidArgument);
  const auto after = generate(session, prompt, options_for(4)).value();
  CHECK(after.log_probabilities == expected.log_probabilities);
  CHECK(after.usage.cached_tokens == 0);
  auto other = Session::open(model, {.prefixes = &prefixes}).value();
  const auto again = generate(other, prompt, scaled).value();
  CHECK(again.log_probabilities == made.log_probabilities);
  CHECK(again.usage.cached_tokens == 79);  // its own kind's
}

TEST_CASE("the NTK base is LongLLaDA's") {
  // Its table for a base of 5e5, heads of 128 and 4,096 trained tokens: 4, 14, 31, 55 times.
  const std::size_t lengths[] = {8192, 16384, 24576, 32768};
  const float factors[] = {4, 14, 31, 55};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(ntk_rope_base(5e5F, 128, 4096, lengths[i]) == 5e5F * factors[i]);
  }
}

TEST_CASE("policies that can't be are refused") {
  const auto model = tiny({}, *cpu_backend(1));
  auto session = Session::open(model).value();
  const auto refused = [&](const Hooks& hooks) {
    return session.attach(shared(hooks)).error().message;
  };
  Hooks hooks;
  hooks.attention = {.sinks = 4};
  CHECK(refused(hooks).find("sinks without a window") != std::string::npos);
  hooks = {};
  hooks.positions = {.scale = 0};
  CHECK(refused(hooks).find("above 0") != std::string::npos);
  hooks = {};
  hooks.program = {0, 2};
  CHECK(refused(hooks).find("layer 2") != std::string::npos);
  hooks.program = std::vector<std::size_t>(9);
  CHECK(refused(hooks).find("at most 4 times the model's 2") != std::string::npos);
  hooks.program = std::vector<std::size_t>();
  CHECK(refused(hooks).find("empty") != std::string::npos);
}

}  // namespace
}  // namespace weft::inference
