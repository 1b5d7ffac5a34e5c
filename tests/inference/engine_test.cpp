#include "inference/engine.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "inference/session.h"
#include "tests/inference/engine_fixture.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

using Fixture = EngineFixture;
using Key = Fixture::Key;

TEST_CASE("answers in a batch are those that generate() gives alone") {
  std::mt19937 random(11);
  for (const std::size_t sequences : {1UL, 2UL, 7UL, 16UL}) {
    for (const std::size_t prefill : {1UL, 17UL, 256UL}) {
      for (const std::size_t prefix : {0UL, 63UL, 64UL, 65UL}) {
        Fixture f;
        Group group;
        const auto common = some_ids(random, prefix);
        for (int i = 0; i < 5; ++i) {
          auto prompt = common;
          const auto tail = some_ids(random, 1 + random() % 90);
          prompt.insert(prompt.end(), tail.begin(), tail.end());
          group.requests.push_back(
              {prompt, options_for(3 + random() % 20, random(), i % 2 * 2.0F), 1 + random() % 3});
        }
        INFO(sequences << " sequences, " << prefill << " prefill tokens, prefix " << prefix);
        auto engine = f.open({.sequences_max = sequences, .prefill_tokens_max = prefill});
        REQUIRE(engine.submit(group, f.events()));
        engine.run();
        f.check_all(group);
      }
    }
  }
}

TEST_CASE("a common prefix is read once, by one of the siblings or an earlier call") {
  std::mt19937 random(12);
  Fixture f;
  const auto common = some_ids(random, 500);
  Group group;
  for (int i = 0; i < 8; ++i) {
    auto prompt = common;
    const auto tail = some_ids(random, 10);
    prompt.insert(prompt.end(), tail.begin(), tail.end());
    prompt[500] = i;  // not even the first token of the tails is common
    group.requests.push_back({prompt, options_for(4)});
  }
  auto engine = f.open();
  REQUIRE(engine.submit(group, f.events()));
  engine.run();
  f.check_all(group);
  CHECK(engine.counters().prefilled_tokens == 500 + 8 * 10);
  CHECK(engine.counters().shared_tokens == 7 * 500);

  // Samples of one prompt read its last token each.
  f.ended.clear();
  f.texts.clear();
  Group again;
  again.requests.push_back({group.requests[3].prompt, options_for(4, 1, 1.0F), 5});
  const auto before = engine.counters().prefilled_tokens;
  REQUIRE(engine.submit(again, f.events()));
  engine.run();
  f.check_all(again);
  CHECK(engine.counters().prefilled_tokens - before == 5);
  CHECK(f.ended[Key(0, 0)].usage.cached_tokens == 509);
}

TEST_CASE("cancelling at any step ends the group and leaves the others right") {
  std::mt19937 random(13);
  const auto common = some_ids(random, 300);
  auto other = common;
  other[290] += 1;
  for (int at = 0; at < 24; ++at) {
    Fixture f;
    Fixture g;
    auto engine = f.open({.prefill_tokens_max = 16});
    Group first;
    first.requests.push_back({common, options_for(6), 3});
    Group second;
    second.requests.push_back({other, options_for(6), 2});
    const auto id = engine.submit(first, f.events());
    REQUIRE(id);
    REQUIRE(engine.submit(second, g.events()));
    for (int i = 0; i < at && engine.step(); ++i) {
    }
    engine.cancel(*id);
    engine.run();
    INFO("cancelled after " << at << " steps");
    CHECK(f.ended.size() == 3);
    for (const auto& [key, made] : f.ended) {
      const auto whole = f.alone(first.requests[0], key.second);
      CHECK(std::equal(made.ids.begin(), made.ids.end(), whole.ids.begin()));
      CHECK((made.finish_reason == FinishReason::kCancelled || made.ids == whole.ids));
    }
    g.check_all(second);
    CHECK_FALSE(engine.step());
  }
}

TEST_CASE("a stop token and a refused text end one answer, and only that one") {
  std::mt19937 random(14);
  Fixture f;
  auto engine = f.open();
  std::stop_source stop;
  Group group;
  for (int i = 0; i < 3; ++i) group.requests.push_back({some_ids(random, 20), options_for(12)});
  group.requests[1].options.stop_token = stop.get_token();
  EngineEvents events = f.events();
  const auto on_text = events.on_text;
  events.on_text = [&](AnswerId id, std::string_view text) {
    if (id.request == 1) stop.request_stop();
    return on_text(id, text) && id.request != 2;
  };
  REQUIRE(engine.submit(group, events));
  engine.run();
  REQUIRE(f.ended.size() == 3);
  CHECK(f.ended[Key(0, 0)].ids == f.alone(group.requests[0], 0).ids);
  CHECK(f.ended[Key(1, 0)].finish_reason == FinishReason::kCancelled);
  CHECK(f.ended[Key(2, 0)].finish_reason == FinishReason::kCancelled);
  CHECK(f.ended[Key(1, 0)].ids.size() < 12);
  CHECK(f.ended[Key(2, 0)].ids.size() < 12);
}

TEST_CASE("groups take turns, deeper ones first") {
  std::mt19937 random(15);
  Fixture f;
  auto engine = f.open({.sequences_max = 1});
  std::vector<std::string> order;
  const auto submit = [&](const std::string& name, std::size_t depth, std::size_t answers) {
    Group group;
    group.depth = depth;
    for (std::size_t i = 0; i < answers; ++i) {
      group.requests.push_back({some_ids(random, 5), options_for(1)});
    }
    REQUIRE(engine.submit(group, {{}, [&order, name](AnswerId, const Result<Generation>&) {
                                    order.push_back(name);
                                  }}));
  };
  submit("big", 0, 4);
  submit("small", 0, 1);
  submit("deep", 1, 2);
  engine.run();
  CHECK(order == std::vector<std::string>{"deep", "deep", "big", "small", "big", "big", "big"});
}

TEST_CASE("what doesn't fit is refused with a reason, whole") {
  std::mt19937 random(16);
  Fixture f;
  auto engine = f.open({.context_length_max = 64, .queue_max = 3});
  const auto code = [&](Group group) {
    const auto refused = engine.submit(std::move(group), f.events());
    REQUIRE_FALSE(refused);
    return refused.error().code;
  };
  const Request fine{some_ids(random, 5), options_for(2)};
  CHECK(code({{fine, {}}}) == ErrorCode::kInvalidArgument);
  CHECK(code({{fine, {{1, 100000}, options_for(2)}}}) == ErrorCode::kInvalidArgument);
  CHECK(code({{fine, {some_ids(random, 64), options_for(2)}}}) == ErrorCode::kResourceExhausted);
  CHECK(code({{{some_ids(random, 5), options_for(2), 4}}}) == ErrorCode::kResourceExhausted);
  CHECK_FALSE(engine.step());
  CHECK(Engine::open(f.model, {.sequences_max = 0}).error().code == ErrorCode::kInvalidArgument);
  auto small = f.open({.kv_bytes_max = 1000});
  CHECK(small.submit({{fine}}, f.events()).error().code == ErrorCode::kResourceExhausted);
}

TEST_CASE("little memory for keys and values delays answers and changes none") {
  std::mt19937 random(17);
  Fixture f;
  const ModelConfig& config = f.model->config();
  const std::size_t block =
      config.layers * config.kv_heads * config.head_width * 64 * 2 * sizeof(std::uint16_t);
  auto engine = f.open({.kv_bytes_max = 5 * block});
  Group group;
  for (int i = 0; i < 6; ++i) group.requests.push_back({some_ids(random, 100), options_for(20)});
  REQUIRE(engine.submit(group, f.events()));
  while (engine.step()) CHECK(engine.counters().kv_bytes <= 5 * block);
  f.check_all(group);
}

}  // namespace
}  // namespace weft::inference
