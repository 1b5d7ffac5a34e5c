#include "inference/adapter/attached_adapter.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "inference/engine.h"
#include "inference/gguf.h"
#include "inference/prefix_cache.h"
#include "inference/session.h"
#include "tests/fakes/reference_backend.h"
#include "tests/fakes/reference_forward.h"
#include "tests/fakes/temp_dir.h"
#include "tests/fakes/tiny_adapter.h"
#include "tests/inference/engine_fixture.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

using Catch::Matchers::Contains;
using Attached = std::shared_ptr<const AttachedAdapter>;
using Rows = std::vector<std::vector<float>>;

fakes::TinyModelOptions of(const char* architecture) {
  fakes::TinyModelOptions options;
  options.architecture = architecture;
  return options;
}

Attached attach(const std::shared_ptr<const Model>& model, const Adapter& adapter,
                float scale = 1) {
  const AdapterUse use{&adapter, scale};
  return AttachedAdapter::attach(model, std::span(&use, 1)).value();
}

/// Logits after each of `ids`.
Rows rows_of(const std::shared_ptr<const Model>& model, std::span<const TokenId> ids,
             const Attached& adapter = nullptr) {
  SessionOptions options;
  options.adapter = adapter;
  auto session = Session::open(model, options).value();
  Rows rows;
  REQUIRE(session.append_each(ids, 0, [&](std::size_t, std::span<const float> row) {
    rows.emplace_back(row.begin(), row.end());
  }));
  return rows;
}

/// Differences between logits: their mean and the largest.
struct Apart {
  double mean = 0;
  double most = 0;
};

template <typename Expected>
Apart apart(const Rows& rows, const Expected& expected) {
  Apart found;
  std::size_t count = 0;
  REQUIRE(rows.size() == expected.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < rows[i].size(); ++j, ++count) {
      const double difference =
          std::abs(static_cast<double>(rows[i][j]) - static_cast<double>(expected[i][j]));
      found.mean += difference;
      found.most = std::max(found.most, difference);
    }
  }
  found.mean /= static_cast<double>(count);
  return found;
}

/// Equal but for attention, which rounds keys, values and weights to fp16: a last bit of what it
/// rounds may tip it over, which moves the logits after it by 1e-3 or so.
void check_equal(const Rows& rows, const Rows& expected) {
  const Apart found = apart(rows, expected);
  CHECK(found.mean < 1e-3);
  CHECK(found.most < 1e-2);
}

TEST_CASE("a model with an adapter is the model with merged weights, for every architecture") {
  std::mt19937 random(3);
  const auto ids = some_ids(random, 40);
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma3"}) {
    INFO(architecture);
    const TemporaryModel file(of(architecture));
    const auto model = file.load();
    const Adapter adapter = fakes::tiny_adapter(model->config(), {.rank_step = 3});
    const TemporaryModel whole(fakes::merged(file.path(), adapter));
    const Attached attached = attach(model, adapter);
    const auto other = whole.load();
    const Rows live = rows_of(model, ids, attached);
    check_equal(live, rows_of(other, ids));
    CHECK(apart(live, rows_of(model, ids)).mean > 0.1);
    // In a few tokens no rounding tips over.
    const auto few = std::span(ids).first(2);
    CHECK(apart(rows_of(model, few, attached), rows_of(other, few)).most < 1e-4);
    const auto exact = fakes::reference_logits(GgufFile::open(whole.path()).value(), ids).value();
    CHECK(apart(live, exact).most <
          2e-2);  // keys, values and weights of attention are rounded to fp16
  }
}

TEST_CASE("one linear layer alone can be changed") {
  std::mt19937 random(5);
  const auto ids = some_ids(random, 3);
  const TemporaryModel file{fakes::TinyModelOptions{}};
  const auto model = file.load();
  for (std::size_t i = 0; i < kLinears; ++i) {
    INFO("linear " << i);
    const Adapter adapter = fakes::tiny_adapter(
        model->config(), {.linears = {static_cast<Linear>(i)}, .rank = 1 + 9 * i});
    const Rows expected = rows_of(TemporaryModel(fakes::merged(file.path(), adapter)).load(), ids);
    CHECK(apart(rows_of(model, ids, attach(model, adapter)), expected).most < 1e-4);
    CHECK(apart(rows_of(model, ids), expected).most > 1e-2);
  }
}

TEST_CASE("a zero B changes no bit, and adapters add up") {
  std::mt19937 random(5);
  const auto ids = some_ids(random, 20);
  const TemporaryModel file{fakes::TinyModelOptions{}};
  const auto model = file.load();
  const Adapter zero = fakes::tiny_adapter(model->config(), {.b_deviation = 0});
  CHECK(rows_of(model, ids, attach(model, zero)) == rows_of(model, ids));

  const Adapter one = fakes::tiny_adapter(model->config(), {.seed = 2});
  const Adapter two = fakes::tiny_adapter(model->config(), {.rank = 7, .seed = 3});
  const AdapterUse uses[] = {{&one, 0.5F}, {&two, -1}};
  const auto both = AttachedAdapter::attach(model, uses).value();
  const TemporaryModel first(fakes::merged(file.path(), one, 0.5));
  const TemporaryModel second(fakes::merged(first.path(), two, -1));
  check_equal(rows_of(model, ids, both), rows_of(second.load(), ids));

  CHECK(attach(model, one)->id() == attach(model, one)->id());
  CHECK(attach(model, one)->id() != attach(model, one, 0.5F)->id());
  CHECK(attach(model, one)->id() != both->id());
}

TEST_CASE("in a mixed step each sequence has the bits it has alone, on every level") {
  std::mt19937 random(6);
  for (const char* architecture : {"llama", "gemma3"}) {
    const TemporaryModel file(of(architecture));
    const auto plain = file.load(*cpu_backend(1, cpu::Level::kScalar));
    const Adapter one = fakes::tiny_adapter(plain->config(), {.rank = 16, .seed = 2});
    const Adapter two = fakes::tiny_adapter(
        plain->config(), {.linears = {Linear::kV, Linear::kDown}, .rank = 3, .seed = 3});
    std::vector<std::vector<TokenId>> ids;
    Rows expected;  // of the last token of each
    for (std::size_t i = 0; i < 6; ++i) {
      ids.push_back(some_ids(random, 1 + random() % 40));
      const Attached adapter = i % 3 == 0   ? nullptr
                               : i % 3 == 1 ? attach(plain, one)
                                            : attach(plain, two);
      expected.push_back(rows_of(plain, ids.back(), adapter).back());
    }
    const auto model = file.load(*cpu_backend(3, cpu::best_level(), {.yield_to_load = false}));
    const Attached adapters[] = {nullptr, attach(model, one), attach(model, two)};
    const auto runner = model->weights().open_runner().value();
    std::vector<KvCache> caches(ids.size(), KvCache(runner->kv_memory()));
    // Half of each is read in a step of all, then the rest.
    for (const bool is_last : {false, true}) {
      std::vector<Slice> slices;
      for (std::size_t i = 0; i < ids.size(); ++i) {
        const std::size_t half = ids[i].size() / 2;
        Slice slice{.ids = ids[i], .cache = &caches[i]};
        slice.ids = is_last ? slice.ids.subspan(half) : slice.ids.first(half);
        if (slice.ids.empty()) continue;
        slice.first_wanted = slice.ids.size() - (is_last ? 1 : 0);
        if (const Attached& adapter = adapters[i % 3]) slice.adapter = &adapter->weights();
        slices.push_back(slice);
      }
      REQUIRE(runner->read(slices));
    }
    for (std::size_t i = 0; i < ids.size(); ++i) {
      INFO(architecture << ", sequence " << i);
      std::vector<float> row(model->config().vocabulary);
      REQUIRE(runner->logits(i, 1, row));
      CHECK(row == expected[i]);
    }
  }
}

TEST_CASE("requests with and without adapters share an engine, not their prefixes") {
  std::mt19937 random(7);
  EngineFixture f;
  const Adapter one = fakes::tiny_adapter(f.model->config(), {.seed = 2});
  const Attached adapter = attach(f.model, one);
  auto engine = f.open();
  const auto prefix = some_ids(random, 80);
  const auto answer = [&](const std::vector<TokenId>& prompt, const Attached& with) {
    SessionOptions options;
    options.adapter = with;
    auto session = Session::open(f.model, options).value();
    return generate(session, prompt, options_for(8)).value();
  };
  std::vector<std::vector<TokenId>> answers[2];
  for (const bool is_open : {false, true}) {
    f.ended.clear();
    Group group;
    group.is_open = is_open;
    for (TokenId tail = 0; tail < 4; ++tail) {
      Request request{.prompt = prefix, .options = options_for(8)};
      request.prompt.push_back(tail);
      if (tail % 2 == 1) request.adapter = adapter;
      group.requests.push_back(request);
    }
    const auto id = engine.submit(group, f.events());
    REQUIRE(id);
    engine.run();
    engine.close(*id);
    for (std::size_t r = 0; r < group.requests.size(); ++r) {
      INFO("request " << r << (is_open ? " of an open group" : ""));
      const auto& request = group.requests[r];
      const auto alone = answer(request.prompt, request.adapter);
      CHECK(f.ended[{r, 0}].ids == alone.ids);
      CHECK(f.ended[{r, 0}].log_probabilities == alone.log_probabilities);
    }
  }
  CHECK(f.ended[{0, 0}].log_probabilities != f.ended[{1, 0}].log_probabilities);
  CHECK(engine.counters().shared_tokens > 0);

  PrefixCache prefixes(std::size_t{1} << 30);
  SessionOptions options;
  options.prefixes = &prefixes;
  auto plain = Session::open(f.model, options).value();
  REQUIRE(plain.append(prefix));
  plain.remember();
  options.adapter = adapter;
  auto changed = Session::open(f.model, options).value();
  CHECK(changed.resume(prefix) == 0);
  CHECK(changed.fork().numerics() == changed.numerics());
  CHECK(changed.numerics() != plain.numerics());
  CHECK_THAT(to_string(changed.numerics()), Contains("adapter " + adapter->id()));
  options.adapter = nullptr;
  CHECK(Session::open(f.model, options)->resume(prefix) == prefix.size());
}

TEST_CASE("an adapter goes with its own model, on a backend that has adapters") {
  const auto model = tiny();
  const auto other = tiny();
  const Adapter adapter = fakes::tiny_adapter(model->config());
  SessionOptions options;
  options.adapter = attach(model, adapter);
  const auto session = Session::open(other, options);
  REQUIRE_FALSE(session);
  CHECK_THAT(session.error().message, Contains("attached to another model"));
  auto engine = Engine::open(other).value();
  CHECK_FALSE(engine.submit({.requests = {{.prompt = {1}, .adapter = options.adapter}}}, {}));

  const AdapterUse use{&adapter, 1};
  const auto refused =
      AttachedAdapter::attach(tiny({}, *fakes::reference_backend()), std::span(&use, 1));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kUnsupported);
  fakes::TinyModelOptions wider;
  wider.ffn_width = 160;
  const auto misshapen = AttachedAdapter::attach(tiny(wider), std::span(&use, 1));
  REQUIRE_FALSE(misshapen);
  CHECK_THAT(misshapen.error().message, Contains("layer 0's ffn_gate"));
  CHECK_FALSE(AttachedAdapter::attach(model, {}));
  const AdapterUse infinite{&adapter, INFINITY};
  CHECK_FALSE(AttachedAdapter::attach(model, std::span(&infinite, 1)));
}

/// An adapter's file with a manifest.
struct Manifested {
  test::TempDir folder;
  std::shared_ptr<const Model> model;

  Manifested(std::shared_ptr<const Model> with, const Adapter& adapter, const std::string& manifest)
      : model(std::move(with)) {
    fakes::write_file(folder / "a.gguf",
                      fakes::adapter_gguf(adapter, model->config(), 8).build().bytes);
    fakes::write_file(folder / "a.gguf.manifest.json", std::as_bytes(std::span(manifest)));
  }

  Result<Attached> attach(const AttachOptions& options = {}) const {
    WEFT_TRY(adapter, read_adapter(folder / "a.gguf", model->config()));
    const AdapterUse use{&adapter, 1};
    return AttachedAdapter::attach(model, std::span(&use, 1), options);
  }
};

TEST_CASE("a manifest's bases are the only models that its adapter goes with") {
  const auto model = tiny();
  const std::string print = model->numerics().weights;
  const std::string other(32, 'a');
  const Adapter adapter = fakes::tiny_adapter(model->config());
  const auto trial = [&](const std::string& manifest) {
    return Manifested(model, adapter, manifest);
  };
  CHECK(trial("{}").attach());
  CHECK(trial(R"({"bases": [")" + other + R"(", ")" + print + R"("]})").attach());
  const auto foreign = trial(R"({"bases": [")" + other + R"("]})");
  const auto refused = foreign.attach();
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Contains(other) && Contains(print));
  CHECK(foreign.attach({.allows_other_base = true}));
  CHECK_FALSE(trial(R"({"residual_base": true})").attach());
  CHECK(trial(R"({"residual_base": true, "bases": [")" + print + R"("]})").attach());
  for (const char* broken :
       {"[]", R"({"base": "x"})", R"({"bases": ["x"]})", R"({"residual_base": 1})",
        R"({"bases": 3})", R"({"initial": "missing.gguf"})"}) {
    INFO(broken);
    CHECK_FALSE(trial(broken).attach({.allows_other_base = true}));
  }
}

TEST_CASE("what begins as PiSSA does is refused without its residual base") {
  const auto model = tiny();
  const Adapter adapter = fakes::tiny_adapter(model->config());
  const test::TempDir folder;
  fakes::write_peft_folder(folder.path(), adapter, model->config(),
                           R"({"r": 4, "lora_alpha": 8, "init_lora_weights": "pissa_niter_4"})");
  const auto read = read_adapter(folder.path(), model->config()).value();
  CHECK(read.has_residual_base);
  const AdapterUse use{&read, 1};
  const auto refused = AttachedAdapter::attach(model, std::span(&use, 1));
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Contains("residual"));
  CHECK(AttachedAdapter::attach(model, std::span(&use, 1), {.allows_other_base = true}));
}

TEST_CASE(
    "on the whole model a residual adapter and its beginning are what it is on the residual") {
  std::mt19937 random(8);
  const auto ids = some_ids(random, 20);
  const TemporaryModel whole{fakes::TinyModelOptions{}};
  const auto model = whole.load();
  const Adapter initial = fakes::tiny_adapter(model->config(), {.seed = 2});
  const Adapter trained = fakes::tiny_adapter(model->config(), {.seed = 3});
  const TemporaryModel residual(fakes::merged(whole.path(), initial, -1));
  const TemporaryModel target(fakes::merged(residual.path(), trained));
  const Rows expected = rows_of(target.load(), ids);

  const Manifested file(model, trained,
                        R"({"residual_base": true, "initial": "b.gguf", "bases": [")" +
                            model->numerics().weights + R"("]})");
  fakes::write_file(file.folder / "b.gguf",
                    fakes::adapter_gguf(initial, model->config(), 8).build().bytes);
  check_equal(rows_of(model, ids, file.attach().value()), expected);
  const auto left = residual.load();
  check_equal(rows_of(left, ids, attach(left, trained)), expected);
}

}  // namespace
}  // namespace weft::inference
