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

TEST_CASE("cancelling takes effect within a step, and what was read for others isn't lost") {
  std::mt19937 random(18);
  Fixture f;
  Fixture g;
  auto engine = f.open({.prefill_tokens_max = 16});
  // Decodes throughout, so that prompts are read in pieces.
  const auto other = engine.submit({{{some_ids(random, 1), options_for(200)}}},
                                   {{}, [](AnswerId, const auto&) {}});
  REQUIRE(engine.step());
  const auto common = some_ids(random, 300);
  Group first;
  first.requests.push_back({common, options_for(6), 2});
  Group second;
  second.requests.push_back({common, options_for(6)});
  second.requests[0].prompt[290] += 1;
  const auto id = engine.submit(first, f.events());
  REQUIRE(engine.submit(second, g.events()));
  for (int i = 0; i < 5; ++i) REQUIRE(engine.step());
  CHECK(engine.counters().prefilled_tokens == 1 + 5 * 16);  // by the first, for all three
  engine.cancel(*id);
  REQUIRE(engine.step());
  CHECK(f.ended.size() == 2);
  CHECK(f.ended[Key(0, 0)].finish_reason == FinishReason::kCancelled);
  while (g.ended.empty()) REQUIRE(engine.step());
  g.check_all(second);
  CHECK(engine.counters().prefilled_tokens == 1 + 300);
  CHECK(g.ended[Key(0, 0)].usage.cached_tokens == 5 * 16);
  engine.cancel(*other);
  engine.run();

  // From within a step: no text of a later step.
  Fixture h;
  auto again = h.open();
  Engine::GroupId group = 0;
  std::vector<std::uint64_t> steps;
  EngineEvents events = h.events();
  events.on_text = [&](AnswerId, std::string_view) {
    steps.push_back(again.counters().steps);
    if (steps.size() == 4) again.cancel(group);
    return true;
  };
  Request long_one{some_ids(random, 20), options_for(50)};
  group = again.submit({{long_one, long_one}}, events).value();
  again.run();
  REQUIRE(h.ended.size() == 2);
  REQUIRE(steps.size() >= 4);
  CHECK(steps.back() == steps[3]);
  CHECK(h.ended[Key(0, 0)].finish_reason == FinishReason::kCancelled);
}

TEST_CASE("long prompts hold up neither answers nor short prompts, and aren't held up by them") {
  std::mt19937 random(19);
  Fixture decoder;
  Fixture long_one;
  auto engine = decoder.open({.prefill_tokens_max = 16});
  const Request answer{some_ids(random, 1), options_for(200)};
  REQUIRE(engine.submit({{answer}}, decoder.events()));
  REQUIRE(engine.step());
  const Group prompt{{{some_ids(random, 480), options_for(1)}}};
  REQUIRE(engine.submit(prompt, long_one.events()));
  for (int i = 0; i < 10; ++i) {
    const auto before = engine.counters();
    REQUIRE(engine.step());
    CHECK(engine.counters().prefilled_tokens - before.prefilled_tokens == 16);
    CHECK(engine.counters().decoded_tokens > before.decoded_tokens);
  }
  // A prompt of 24 tokens gets half of each step: 3 steps, not the 20 that the other needs yet.
  Fixture late;
  const Group small{{{some_ids(random, 24), options_for(1)}}};
  REQUIRE(engine.submit(small, late.events()));
  for (int i = 0; i < 3; ++i) REQUIRE(engine.step());
  late.check_all(small);
  // However many of them come, the long one has the other half: (480 - 10 * 16 - 3 * 8) / 8.
  std::size_t steps = 0;
  for (; long_one.ended.empty(); ++steps) {
    REQUIRE(steps < 37);
    REQUIRE(engine.submit({{{some_ids(random, 8), options_for(1)}}}, {}));
    REQUIRE(engine.step());
  }
  CHECK(steps > 296 / 16);  // and they had theirs
  long_one.check_all(prompt);
  CHECK(decoder.ended.empty());
}

TEST_CASE("the prefix that nobody expects goes first, of those the one used longest ago") {
  std::mt19937 random(20);
  Fixture f;
  const std::size_t block = f.model->weights().open_runner().value()->kv_memory()->block_bytes();
  std::vector<Request> requests;
  for (int i = 0; i < 4; ++i) requests.push_back({some_ids(random, 70), options_for(2)});
  const auto cached = [&](Engine& engine, const Request& request) {
    std::size_t tokens = 0;
    REQUIRE(engine.submit({{request}}, {{}, [&](AnswerId, const Result<Generation>& made) {
                                          tokens = made.value().usage.cached_tokens;
                                        }}));
    engine.run();
    return tokens;
  };
  for (const bool is_expected : {true, false}) {
    auto engine = f.open({.kv_bytes_max = 6 * block});  // three prompts of two blocks
    for (int i = 0; i < 3; ++i) CHECK(cached(engine, requests[i]) == 0);
    if (is_expected) engine.expect(requests[0].prompt, 5);
    CHECK(cached(engine, requests[3]) == 0);  // evicts one: the second, or else the first
    const int evicted = is_expected ? 1 : 0;
    CHECK(cached(engine, requests[1 - evicted]) == 69);
    CHECK(cached(engine, requests[evicted]) == 0);
  }
}

TEST_CASE("answers in a batch with keys and values in q8_0 are those that generate() gives alone") {
  std::mt19937 random(21);
  std::vector<Request> requests;
  const auto common = some_ids(random, 100);
  for (std::size_t i = 0; i < 7; ++i) {
    // Two of them share nothing.
    auto prompt = i % 3 == 2 ? some_ids(random, 90) : common;
    const auto tail = some_ids(random, 1 + random() % 40);
    prompt.insert(prompt.end(), tail.begin(), tail.end());
    requests.push_back({prompt, options_for(8, i, i % 2 * 1.0F)});
  }
  const TemporaryModel file{fakes::TinyModelOptions{.head_width = 48}};
  std::map<Key, Generation> expected;
  for (const char* name : {"scalar", "avx2", "avx512vnni"}) {
    const auto level = cpu::choose_level(name);
    if (!level) continue;
    const auto pool = std::make_shared<cpu::ThreadPool>(1);
    Fixture f;
    f.model = file.load(*cpu::make_backend(*level, pool, KvType::kQ8_0));
    for (const std::size_t sequences : {1UL, 2UL, 7UL}) {
      INFO(name << ", " << sequences << " sequences");
      f.ended.clear();
      f.texts.clear();
      auto engine = f.open({.sequences_max = sequences, .prefill_tokens_max = 16});
      REQUIRE(engine.submit({requests}, f.events()));
      engine.run();
      CHECK(engine.counters().shared_tokens >= 4 * common.size());
      if (expected.empty()) {
        f.check_all({requests});  // alone, and so without sharing
        expected = f.ended;
      }
      CHECK(f.ended.size() == expected.size());
      for (const auto& [key, made] : expected) {
        CHECK(f.ended[key].log_probabilities == made.log_probabilities);
      }
    }
  }
}

}  // namespace
}  // namespace weft::inference
