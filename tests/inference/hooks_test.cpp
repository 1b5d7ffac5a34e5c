#include "inference/hooks.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>
#include <utility>
#include <vector>

#include "inference/backend.h"
#include "inference/gguf.h"
#include "inference/prefix_cache.h"
#include "tests/fakes/reference_forward.h"
#include "tests/inference/engine_fixture.h"

namespace weft::inference {
namespace {

constexpr std::array kPoints = {
    TapPoint::kLayerIn,    TapPoint::kAttentionNormOut, TapPoint::kAttentionOut, TapPoint::kFfnIn,
    TapPoint::kFfnNormOut, TapPoint::kFfnOut,           TapPoint::kLayerOut};

using Place = std::pair<std::size_t, TapPoint>;
/// The rows seen at a point, by position.
using Seen = std::map<Place, std::map<std::size_t, std::vector<float>>>;

std::vector<TokenId> ids_of(std::size_t n, TokenId first) {
  std::vector<TokenId> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = (first + 37 * static_cast<TokenId>(i)) % 250;
  return ids;
}

Tap reader(std::size_t layer, TapPoint point, Tap::Rows rows, Seen& seen) {
  return {.layer = layer, .point = point, .rows = rows, .read = [&seen](const TapRows& tapped) {
            for (std::size_t i = 0; i * tapped.width < tapped.values.size(); ++i) {
              const auto row = tapped.values.subspan(i * tapped.width, tapped.width);
              auto& kept = seen[{tapped.layer, tapped.point}][tapped.position + i];
              CHECK(kept.empty());  // once
              kept.assign(row.begin(), row.end());
            }
          }};
}

std::shared_ptr<const Hooks> hooks_of(std::vector<Tap> taps) {
  return std::make_shared<const Hooks>(Hooks{std::move(taps)});
}

std::shared_ptr<const Hooks> readers(std::size_t layers, Tap::Rows rows, Seen& seen) {
  std::vector<Tap> taps;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    for (const TapPoint point : kPoints) taps.push_back(reader(layer, point, rows, seen));
  }
  return hooks_of(std::move(taps));
}

/// Adds a pattern of its row's position.
Tap adder(std::size_t layer, TapPoint point, float value) {
  return {.layer = layer,
          .point = point,
          .write = [value](const TapRows& rows, std::span<float> values) {
            for (std::size_t i = 0; i < values.size(); ++i) {
              if ((rows.position + i / rows.width + i % rows.width) % 3 == 0) values[i] += value;
            }
          }};
}

void append(Session& session, std::span<const TokenId> ids, std::size_t chunk) {
  for (std::size_t i = 0; i < ids.size(); i += chunk) {
    REQUIRE(session.append(ids.subspan(i, std::min(chunk, ids.size() - i))));
  }
}

std::vector<float> last_row(const Session& session) {
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

TEST_CASE("taps read the rows of each point as the reference has them") {
  for (const char* architecture : {"llama", "gemma3"}) {
    const TemporaryModel file(fakes::TinyModelOptions{.architecture = architecture});
    const auto ids = ids_of(40, 3);
    std::map<Place, std::vector<std::vector<double>>> expected;
    const auto gguf = GgufFile::open(file.path()).value();
    fakes::ReferenceOptions options;
    options.tap = [&](std::size_t layer, TapPoint point, auto& rows) {
      expected[{layer, point}] = rows;
    };
    REQUIRE(fakes::reference_logits(gguf, ids, options));
    const auto model = file.load(*cpu_backend(1));
    Seen seen;
    auto session = Session::open(model).value();
    const auto scope = session.attach(readers(2, Tap::Rows::kAll, seen)).value();
    append(session, ids, 17);
    CHECK(seen.size() == 2 * kPoints.size());
    for (const auto& [place, rows] : expected) {
      REQUIRE(seen[place].size() == ids.size());
      for (std::size_t i = 0; i < ids.size(); ++i) {
        INFO(architecture << ", " << to_string(place.second) << " of layer " << place.first
                          << ", row " << i);
        CHECK(relative_error(rows[i], seen[place][i]) < 5e-3);
      }
    }
  }
}

TEST_CASE("taps that read change no bit, and see the same bits in any chunks") {
  const TemporaryModel file(fakes::TinyModelOptions{.architecture = "gemma3"});
  const auto ids = ids_of(70, 9);
  Seen first;
  for (const std::size_t threads : {1UL, 2UL}) {
    const auto model =
        file.load(*cpu_backend(threads, cpu::best_level(), {.yield_to_load = false}));
    auto plain = Session::open(model).value();
    REQUIRE(plain.append(ids));
    for (const std::size_t chunk : {threads == 1 ? 1UL : 17UL, 70UL}) {
      Seen seen;
      auto session = Session::open(model).value();
      {
        const auto scope = session.attach(readers(2, Tap::Rows::kAll, seen)).value();
        append(session, ids, chunk);
      }
      CHECK(last_row(session) == last_row(plain));
      if (first.empty()) first = seen;
      CHECK(seen == first);
      REQUIRE(session.append(ids_of(1, 2)));  // the scope has ended
      CHECK(seen == first);
    }
  }
}

TEST_CASE("taps that write give the logits that the reference has with the same change") {
  for (const char* architecture : {"llama", "gemma3"}) {
    const TemporaryModel file(fakes::TinyModelOptions{.architecture = architecture});
    const auto model = file.load();
    const auto gguf = GgufFile::open(file.path()).value();
    const auto ids = ids_of(30, 3);
    auto plain = Session::open(model).value();
    REQUIRE(plain.append(ids));
    for (std::size_t layer = 0; layer < 2; ++layer) {
      for (const TapPoint point : kPoints) {
        INFO(architecture << ", " << to_string(point) << " of layer " << layer);
        fakes::ReferenceOptions options;
        options.tap = [&](std::size_t at, TapPoint here, auto& rows) {
          if (at != layer || here != point) return;
          for (std::size_t p = 0; p < rows.size(); ++p) {
            for (std::size_t i = 0; i < rows[p].size(); ++i) {
              if ((p + i) % 3 == 0) rows[p][i] += 0.5;  // as adder()
            }
          }
        };
        const auto expected = fakes::reference_logits(gguf, ids, options).value();
        auto session = Session::open(model).value();
        const auto scope = session.attach(hooks_of({adder(layer, point, 0.5F)})).value();
        REQUIRE(session.append(ids));
        CHECK(relative_error(expected.back(), session.logits()) < 5e-3);
        CHECK(last_row(session) != last_row(plain));
      }
    }
  }
}

TEST_CASE("the key of kNN-LM is read where logits are wanted, at no cost elsewhere") {
  const auto model = tiny();
  const std::size_t last = model->config().layers - 1;
  const auto ids = ids_of(20, 4);
  Seen all;
  Seen wanted;
  const auto hooks = hooks_of({reader(last, TapPoint::kFfnNormOut, Tap::Rows::kAll, all),
                               reader(last, TapPoint::kFfnNormOut, Tap::Rows::kWanted, wanted)});
  auto session = Session::open(model).value();
  const auto scope = session.attach(hooks).value();
  std::vector<std::size_t> rows;
  REQUIRE(session.append_each(ids, 17, [&](std::size_t i, auto) { rows.push_back(i); }));
  const Place place{last, TapPoint::kFfnNormOut};
  CHECK(all[place].size() == 20);
  CHECK(rows == std::vector<std::size_t>{17, 18, 19});
  REQUIRE(wanted[place].size() == 3);
  for (const std::size_t row : rows) CHECK(wanted[place][row] == all[place][row]);
}

Request request_of(std::vector<TokenId> prompt, std::shared_ptr<const Hooks> hooks) {
  Request request{std::move(prompt), options_for(8)};
  request.options.hooks = std::move(hooks);
  return request;
}

TEST_CASE("a request with taps in a batch with others changes none, and gets what it gets alone") {
  for (const std::size_t batch : {1UL, 2UL, 7UL}) {
    for (const std::size_t chunk : {1UL, 17UL}) {
      INFO("batch of " << batch << ", chunks of " << chunk);
      EngineFixture f;
      const std::size_t threads = batch == 7 ? 2 : 1;
      f.model = tiny({}, *cpu_backend(threads, cpu::best_level(), {.yield_to_load = false}));
      std::vector<Seen> seen(batch);
      Group group;
      for (std::size_t i = 0; i < batch; ++i) {
        // All begin alike: nobody may take keys that a writer changed.
        auto prompt = ids_of(70, 5);
        prompt.push_back(static_cast<TokenId>(i));
        auto hooks = i % 3 == 0   ? hooks_of({adder(0, TapPoint::kLayerOut, 1.0F)})
                     : i % 3 == 1 ? nullptr
                                  : readers(2, Tap::Rows::kAll, seen[i]);
        group.requests.push_back(request_of(prompt, hooks));
      }
      auto engine = f.open({.prefill_tokens_max = chunk});
      REQUIRE(engine.submit(group, f.events()));
      engine.run();
      const auto in_batch = seen;
      for (Seen& each : seen) each.clear();
      f.check_all(group);  // which fills `seen` anew
      CHECK(in_batch == seen);
    }
  }
}

TEST_CASE("hooks that change nothing give the bits that no hooks give, in any batch") {
  const TemporaryModel file(fakes::TinyModelOptions{.architecture = "gemma3"});
  std::map<std::size_t, Generation> first;  // of each prompt
  for (const std::size_t threads : {1UL, 2UL}) {
    for (const std::size_t batch : {1UL, 7UL}) {
      INFO(threads << " threads, a batch of " << batch);
      EngineFixture f;
      f.model = file.load(*cpu_backend(threads, cpu::best_level(), {.yield_to_load = false}));
      Seen seen;
      const std::shared_ptr<const Hooks> kinds[] = {
          nullptr, std::make_shared<const Hooks>(),
          hooks_of({reader(1, TapPoint::kFfnNormOut, Tap::Rows::kWanted, seen)})};
      for (std::size_t turn = 0; turn < 3; ++turn) {
        Group group;
        for (std::size_t i = 0; i < batch; ++i) {
          const auto prompt = ids_of(40 + 5 * i, static_cast<TokenId>(i));
          group.requests.push_back(request_of(prompt, kinds[(i + turn) % 3]));
        }
        f.ended.clear();
        seen.clear();
        auto engine = f.open({.prefill_tokens_max = 17});
        REQUIRE(engine.submit(group, f.events()));
        engine.run();
        for (std::size_t i = 0; i < batch; ++i) {
          const Generation& made = f.ended[{i, 0}];
          const Generation& expected = first.try_emplace(i, made).first->second;
          CHECK(made.ids == expected.ids);
          CHECK(made.log_probabilities == expected.log_probabilities);
        }
      }
    }
  }
}

TEST_CASE("what a writing tap changed is neither remembered nor taken for the tokens") {
  const auto model = tiny();
  const auto prompt = ids_of(80, 6);
  const auto hooks = hooks_of({adder(0, TapPoint::kLayerOut, 1.0F)});
  auto fresh = Session::open(model).value();
  const auto expected = generate(fresh, prompt, options_for(6)).value();
  GenerateOptions changing = options_for(6);
  changing.hooks = hooks;

  PrefixCache prefixes(std::size_t{8} << 20);
  auto session = Session::open(model, {.prefixes = &prefixes}).value();
  const auto changed = generate(session, prompt, changing).value();
  CHECK(changed.ids != expected.ids);
  CHECK(prefixes.size_bytes() == 0);
  // The same session, and one that shares the cache.
  const auto after = generate(session, prompt, options_for(6)).value();
  CHECK(after.ids == expected.ids);
  CHECK(after.usage.cached_tokens == 0);
  const auto again = generate(session, prompt, changing).value();
  CHECK(again.ids == changed.ids);
  CHECK(again.log_probabilities == changed.log_probabilities);
  CHECK(again.usage.cached_tokens == 0);
  CHECK_FALSE(session.has_read(session.tokens()));
  auto other = Session::open(model, {.prefixes = &prefixes}).value();
  CHECK(generate(other, prompt, options_for(6))->log_probabilities == expected.log_probabilities);
}

TEST_CASE("what a tap throws ends its request alone") {
  EngineFixture f;
  const auto bad = hooks_of({{.layer = 1, .read = [](const TapRows& rows) {
                                if (rows.position >= 10) throw std::runtime_error("enough");
                              }}});
  const auto wrong = hooks_of({{.layer = 0, .write = [](const TapRows&, std::span<float> values) {
                                  values[0] = std::numeric_limits<float>::quiet_NaN();
                                }}});
  Group group;
  group.requests = {request_of(ids_of(30, 1), bad), request_of(ids_of(30, 2), nullptr),
                    request_of(ids_of(30, 3), wrong)};
  auto engine = f.open();
  REQUIRE(engine.submit(group, f.events()));
  engine.run();
  CHECK(f.failed[{0, 0}] == ErrorCode::kInternal);
  CHECK(f.failed[{2, 0}] == ErrorCode::kInvalidArgument);
  CHECK(f.ended.size() == 1);
  CHECK(f.ended[{1, 0}].ids == f.alone(group.requests[1], 0).ids);

  auto session = Session::open(f.model).value();
  REQUIRE(session.append(ids_of(10, 1)));
  {
    const auto scope = session.attach(bad).value();
    CHECK(session.attach(bad).error().code == ErrorCode::kInvalidArgument);
    const auto failed = session.append(ids_of(20, 1));
    CHECK(failed.error().message == "a tap at layer_in of layer 1 threw: enough");
    CHECK(session.tokens().size() == 10);
    auto fork = session.fork();
    CHECK(fork.append(ids_of(20, 1)));  // has no hooks
  }
  CHECK(session.append(ids_of(20, 1)));
}

TEST_CASE("taps that can't be are refused, by their index") {
  const auto model = tiny();
  const auto refused = [&](Tap tap) {
    auto session = Session::open(model).value();
    Seen seen;
    return session
        .attach(hooks_of({reader(0, TapPoint::kFfnIn, Tap::Rows::kAll, seen), std::move(tap)}))
        .error();
  };
  const auto nothing = [](const TapRows&, std::span<float>) {};
  CHECK(refused({.layer = 2, .write = nothing}).message.starts_with("tap 1: there is no layer 2"));
  CHECK(refused({}).code == ErrorCode::kInvalidArgument);
  CHECK(refused({.rows = Tap::Rows::kWanted, .write = nothing}).code ==
        ErrorCode::kInvalidArgument);
  EngineFixture f;
  auto engine = f.open();
  Group group;
  group.requests = {request_of(ids_of(3, 1), hooks_of({Tap{}}))};
  CHECK(engine.submit(group, f.events()).error().message.starts_with("request 0: tap 0:"));
}

}  // namespace
}  // namespace weft::inference
