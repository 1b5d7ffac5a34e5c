// Taps of attention scores beside the reference, and GemFilter, which reads them.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <vector>

#include "inference/gem_filter.h"
#include "inference/gguf.h"
#include "inference/hooks.h"
#include "tests/fakes/reference_forward.h"
#include "tests/inference/engine_fixture.h"

namespace weft::inference {
namespace {

using Values = std::vector<float>;
/// Of a layer, kind and position.
using Seen = std::map<std::tuple<std::size_t, ScoreTap::Kind, std::size_t>, Values>;
constexpr ScoreTap::Kind kKinds[] = {ScoreTap::Kind::kWeights, ScoreTap::Kind::kProducts};

std::vector<TokenId> ids_of(std::size_t n, TokenId first) {
  std::vector<TokenId> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = (first + 37 * static_cast<TokenId>(i)) % 250;
  return ids;
}

ScoreTap reader(std::size_t layer, ScoreTap::Kind kind, Seen& seen) {
  return {.layer = layer, .kind = kind, .read = [&seen, kind](const ScoreRows& rows) {
            CHECK(rows.values.size() == rows.heads * (rows.position + 1));
            Values& kept = seen[{rows.layer, kind, rows.position}];
            CHECK(kept.empty());  // once
            kept.assign(rows.values.begin(), rows.values.end());
          }};
}

Hooks readers(std::size_t layers, Seen& seen) {
  Hooks hooks;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    for (const ScoreTap::Kind kind : kKinds) hooks.scores.push_back(reader(layer, kind, seen));
  }
  return hooks;
}

TEST_CASE("taps of scores see what the reference's attention does, where logits are wanted") {
  for (const char* architecture : {"llama", "gemma3"}) {
    for (const bool has_lambda_mask : {false, true}) {
      const TemporaryModel file(fakes::TinyModelOptions{.architecture = architecture});
      Seen seen;
      Hooks hooks = readers(2, seen);
      if (has_lambda_mask) hooks.attention = {.window = 20, .sinks = 3, .sink_distance_max = 30};
      const auto ids = ids_of(90, 3);
      std::map<std::tuple<std::size_t, ScoreTap::Kind, std::size_t>, std::vector<double>> expected;
      fakes::ReferenceOptions options;
      options.hooks.attention = hooks.attention;
      options.scores = [&](std::size_t layer, std::size_t position, std::size_t,
                           const auto& products, const auto& weights) {
        auto& to_products = expected[{layer, ScoreTap::Kind::kProducts, position}];
        auto& to_weights = expected[{layer, ScoreTap::Kind::kWeights, position}];
        to_products.insert(to_products.end(), products.begin(), products.end());
        to_weights.insert(to_weights.end(), weights.begin(), weights.end());
      };
      const auto gguf = GgufFile::open(file.path()).value();
      REQUIRE(fakes::reference_logits(gguf, ids, options));
      auto session = Session::open(file.load(*cpu_backend(2))).value();
      const auto scope = session.attach(std::make_shared<const Hooks>(hooks)).value();
      REQUIRE(session.append_each(ids, 87, [](std::size_t, std::span<const float>) {}));
      CHECK(seen.size() == 2 * 2 * 3);  // layers, kinds, wanted tokens
      for (const auto& [place, values] : seen) {
        const auto& wanted = expected[place];
        REQUIRE(values.size() == wanted.size());
        double squares = 0;
        double differences = 0;
        for (std::size_t i = 0; i < values.size(); ++i) {
          CHECK(std::isinf(wanted[i]) == std::isinf(values[i]));
          if (std::isinf(wanted[i])) continue;
          CHECK((wanted[i] == 0) <= (values[i] == 0.0F));  // hidden is hidden
          const double difference = wanted[i] - static_cast<double>(values[i]);
          squares += wanted[i] * wanted[i];
          differences += difference * difference;
        }
        INFO(architecture << ", layer " << std::get<0>(place) << ", position "
                          << std::get<2>(place));
        CHECK(std::sqrt(differences / squares) < 5e-3);
      }
    }
  }
}

TEST_CASE("taps of scores change no bit, and see the same bits in any chunks, batch and threads") {
  const TemporaryModel file{fakes::TinyModelOptions{.architecture = "gemma3"}};
  const auto prompt = ids_of(70, 9);
  Seen first;
  for (const std::size_t threads : {1UL, 2UL}) {
    EngineFixture f;
    f.model = file.load(*cpu_backend(threads, cpu::best_level(), {.yield_to_load = false}));
    for (const std::size_t chunk : {1UL, 17UL}) {
      Seen seen;
      Group group;
      for (int i = 0; i < 3; ++i) group.requests.push_back({prompt, options_for(5)});
      group.requests[1].options.hooks = std::make_shared<const Hooks>(readers(2, seen));
      auto engine = f.open({.prefill_tokens_max = chunk});
      f.ended.clear();
      REQUIRE(engine.submit(group, f.events()));
      engine.run();
      CHECK(f.ended[{0, 0}].log_probabilities == f.ended[{1, 0}].log_probabilities);
      CHECK(f.ended[{0, 0}].log_probabilities == f.ended[{2, 0}].log_probabilities);
      CHECK(seen.size() >= 2 * 2);
      if (first.empty()) first = seen;
      CHECK(seen == first);
    }
  }
}

TEST_CASE("a tap of scores that throws ends its request, and one that can't be is refused") {
  auto session = Session::open(tiny()).value();
  Hooks hooks;
  hooks.scores.push_back(
      {.layer = 1, .read = [](const ScoreRows&) { throw std::runtime_error("enough"); }});
  {
    const auto scope = session.attach(std::make_shared<const Hooks>(hooks)).value();
    CHECK(session.append(ids_of(5, 1)).error().message ==
          "a tap of scores of layer 1 threw: enough");
  }
  hooks.scores[0].layer = 2;
  CHECK(session.attach(std::make_shared<const Hooks>(hooks))
            .error()
            .message.starts_with("score tap 0: there is no layer 2"));
  hooks.scores[0] = {};
  CHECK(session.attach(std::make_shared<const Hooks>(hooks)).error().code ==
        ErrorCode::kInvalidArgument);
}

TEST_CASE("GemFilter's scores are averaged over five neighbours") {
  // spec: width 5, stride 1, what is missing counted in the divisor
  const Values pooled = pool_scores(Values{0, 0, 0, 10, 0, 0, 0, 1}, 5);
  const Values expected = {0, 2, 2, 2, 2, 2.2F, 0.2F, 0.2F};
  REQUIRE(pooled.size() == expected.size());
  for (std::size_t i = 0; i < pooled.size(); ++i) CHECK(pooled[i] == Approx(expected[i]));
  CHECK(pool_scores(Values{1, 2}, 1) == Values{1, 2});
}

TEST_CASE("GemFilter keeps the best positions in their order, and the pinned ones") {
  const Values scores = {0, 5, 1, 0, 0, 3, 0, 1};
  using Positions = std::vector<std::size_t>;
  CHECK(select_positions(scores, {.keep = 3, .pool = 1}) == Positions{1, 2, 5});  // 2 before 7
  CHECK(select_positions(scores, {.keep = 3, .pool = 1, .pin_first = 1, .pin_last = 1}) ==
        Positions{0, 1, 7});
  CHECK(select_positions(scores, {.keep = 2, .pool = 3}) == Positions{1, 2});  // 6/3 each, 0: 5/3
  CHECK(select_positions(scores, {.keep = 8}).size() == 8);
}

TEST_CASE("GemFilter selects what the reference's products select") {
  const TemporaryModel file(fakes::TinyModelOptions{.layers = 3, .context_length = 1024});
  const auto model = file.load();
  const auto ids = ids_of(300, 5);
  const GemFilterOptions options{.layer = 1, .keep = 40, .pin_first = 2, .pin_last = 6};
  Values scores(ids.size());
  std::size_t layers_run = 0;
  fakes::ReferenceOptions reference;
  reference.hooks.program = {0, 1};
  reference.scores = [&](std::size_t layer, std::size_t position, std::size_t, const auto& products,
                         const auto&) {
    layers_run = std::max(layers_run, layer + 1);
    if (layer != 1 || position + 1 != ids.size()) return;
    for (std::size_t i = 0; i < products.size(); ++i) scores[i] += static_cast<float>(products[i]);
  };
  const auto gguf = GgufFile::open(file.path()).value();
  REQUIRE(fakes::reference_logits(gguf, ids, reference));
  CHECK(layers_run == 2);
  const auto expected = select_positions(scores, options);
  const auto found = gem_select(model, ids, options).value();
  CHECK(found.size() == 40);
  CHECK(found.front() == 0);
  CHECK(found.back() == 299);
  std::vector<std::size_t> both;
  std::ranges::set_intersection(expected, found, std::back_inserter(both));
  CHECK(both.size() >= 38);  // the reference rounds nothing: near ties may differ
  CHECK(gather(ids, found).size() == 40);
  CHECK(gather(ids, std::vector<std::size_t>{1, 4}) == std::vector<TokenId>{ids[1], ids[4]});
  // As many to keep as there are: all, and the model's own logits.
  CHECK(gather(ids, gem_select(model, ids, {.keep = 300}).value()) == ids);

  CHECK(gem_select(model, ids, {.layer = 3}).error().code == ErrorCode::kInvalidArgument);
  CHECK(gem_select(model, ids, {.pool = 4}).error().code == ErrorCode::kInvalidArgument);
  CHECK(gem_select(model, ids, {.keep = 3, .pin_first = 2, .pin_last = 2}).error().code ==
        ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weft::inference
