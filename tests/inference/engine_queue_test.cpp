#include "inference/engine_queue.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <random>
#include <vector>

#include "tests/fakes/counting_backend.h"
#include "tests/inference/engine_fixture.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

constexpr std::size_t kPrefix = 150;  // not whole blocks
constexpr std::size_t kPrompt = 160;

/// `n` requests that share their first kPrefix tokens, and not one more.
std::vector<Request> siblings(std::mt19937& random, std::size_t n) {
  const auto common = some_ids(random, kPrefix);
  std::vector<Request> requests;
  for (std::size_t i = 0; i < n; ++i) {
    auto prompt = common;
    const auto tail = some_ids(random, kPrompt - kPrefix);
    prompt.insert(prompt.end(), tail.begin(), tail.end());
    prompt[kPrefix] = static_cast<TokenId>(i);
    requests.push_back({prompt, options_for(5, i, i % 2 * 1.0F)});
  }
  return requests;
}

std::size_t block_bytes(const Model& model) {
  return model.weights().open_runner().value()->kv_memory()->block_bytes();
}

TEST_CASE("a late sibling finds what the open group has read, whenever it comes") {
  std::mt19937 random(1);
  const auto requests = siblings(random, 3);
  EngineFixture at_once;
  at_once.model = tiny({}, *cpu_backend(1));
  auto engine = at_once.open();
  REQUIRE(engine.submit({requests}, at_once.events()));
  engine.run();
  // 10 steps of 16 tokens read the first prompt, 5 more decode.
  for (const std::size_t steps : {0UL, 1UL, 5UL, 9UL, 10UL, 12UL, 16UL}) {
    INFO("added after " << steps << " steps");
    EngineFixture f;
    f.model = at_once.model;
    auto late = f.open({.prefill_tokens_max = 16});
    const EngineFixture::Key other{99, 0};  // decodes throughout, so that prompts go in pieces
    REQUIRE(late.submit({{{some_ids(random, 1), options_for(60)}}},
                        {{}, [&](AnswerId, const Result<Generation>&) { f.ended[other] = {}; }}));
    late.step();
    const auto group = late.submit({.requests = {requests[0]}, .is_open = true}, f.events());
    REQUIRE(group);
    for (std::size_t i = 0; i < steps; ++i) REQUIRE(late.step());
    CHECK(late.add(*group, requests[1]).value() == 1);
    CHECK(late.add(*group, requests[2]).value() == 2);
    late.run();
    late.close(*group);
    CHECK(f.ended.erase(other) == 1);
    f.check_all({requests});
    for (const std::size_t i : {1UL, 2UL}) {
      CHECK(f.ended[{i, 0}].usage.cached_tokens == kPrefix);
      CHECK(f.ended[{i, 0}].log_probabilities == at_once.ended[{i, 0}].log_probabilities);
    }
    CHECK(late.counters().shared_tokens == 2 * kPrefix);
  }
}

TEST_CASE("what an open group shares isn't evicted") {
  std::mt19937 random(2);
  const auto requests = siblings(random, 3);
  for (const bool is_open : {true, false}) {
    EngineFixture f;
    EngineFixture g;
    const std::size_t block = block_bytes(*f.model);
    auto engine = f.open({.kv_bytes_max = 7 * block});
    const auto group =
        engine.submit({.requests = {requests[0], requests[1]}, .is_open = is_open}, f.events());
    REQUIRE(group);
    engine.run();
    CHECK(engine.counters().kept_bytes == (is_open ? 3 * block : 0));  // 150 tokens
    // Another prompt takes 4 of the 7 blocks while it is read, and would evict all else.
    for (int i = 0; i < 3; ++i) {
      REQUIRE(engine.submit({{{some_ids(random, 200), options_for(5)}}}, {}));
      engine.run();
      CHECK(engine.counters().kv_bytes + engine.counters().kept_bytes <= 7 * block);
    }
    const auto before = engine.counters();
    if (is_open) {
      REQUIRE(engine.add(*group, requests[2]));
    } else {
      REQUIRE(engine.submit({{requests[2]}}, g.events()));
    }
    engine.run();
    const auto& made = is_open ? f.ended[{2, 0}] : g.ended[{0, 0}];
    CHECK(made.usage.cached_tokens == (is_open ? kPrefix : 0));
    CHECK(engine.counters().prefilled_tokens - before.prefilled_tokens ==
          (is_open ? kPrompt - kPrefix : kPrompt));
    CHECK(made.log_probabilities == f.alone(requests[2], 0).log_probabilities);
    if (is_open) f.check_all({requests});
  }
}

TEST_CASE("an open group gives way to an answer that couldn't run otherwise") {
  std::mt19937 random(3);
  const auto requests = siblings(random, 2);
  EngineFixture f;
  const std::size_t block = block_bytes(*f.model);
  auto engine = f.open({.kv_bytes_max = 4 * block});
  const auto group = engine.submit({.requests = {requests[0]}, .is_open = true}, f.events());
  REQUIRE(group);
  engine.run();
  CHECK(engine.counters().kept_bytes == 3 * block);
  EngineFixture g;
  const Request large{some_ids(random, 250), options_for(5)};  // all 4 blocks
  REQUIRE(engine.submit({{large}}, g.events()));
  engine.run();
  g.check_all({{large}});
  CHECK(engine.counters().kept_bytes == 0);
  REQUIRE(engine.add(*group, requests[1]));  // read anew
  engine.run();
  f.check_all({requests});
  CHECK(engine.counters().kept_bytes == 3 * block);
}

TEST_CASE("an open group keeps no more than its requests have in common") {
  std::mt19937 random(4);
  const auto requests = siblings(random, 2);
  EngineFixture f;
  const std::size_t block = block_bytes(*f.model);
  auto engine = f.open();
  const auto group = engine.submit({.requests = {}, .is_open = true}, f.events());
  REQUIRE(group);
  CHECK_FALSE(engine.step());
  CHECK(engine.add(*group, requests[0]).value() == 0);
  engine.run();
  CHECK(engine.counters().kept_bytes == 3 * block);
  auto shorter = requests[1];
  shorter.prompt.resize(60);
  CHECK(engine.add(*group, shorter).value() == 1);
  CHECK(engine.counters().kept_bytes == block);
  engine.run();
  CHECK(engine.counters().kept_bytes == block);
  CHECK(engine.add(*group, {some_ids(random, 30), options_for(5)}).value() == 2);
  CHECK(engine.counters().kept_bytes <= block);
  // A refused request changes nothing.
  const auto refused = engine.add(*group, {{1, 100000}, options_for(2)});
  CHECK(refused.error().code == ErrorCode::kInvalidArgument);
  CHECK(refused.error().message.find("request 3") != std::string::npos);
  CHECK(engine.add(*group, requests[1]).value() == 3);
  engine.run();
  CHECK(f.ended.size() == 4);
}

TEST_CASE("a group that was closed or cancelled takes nothing and leaves no block behind") {
  std::mt19937 random(5);
  const auto requests = siblings(random, 3);
  for (const bool is_cancelled : {true, false}) {
    for (std::size_t steps = 0; steps < 24; steps += 3) {
      INFO((is_cancelled ? "cancelled" : "closed") << " after " << steps << " steps");
      const auto alive = std::make_shared<std::atomic<std::size_t>>(0);
      EngineFixture f;
      f.model = tiny({}, *fakes::counting_backend(cpu_backend(), alive));
      const std::size_t block = block_bytes(*f.model);
      {
        auto engine = f.open({.prefill_tokens_max = 16});
        const auto group =
            engine.submit({.requests = {requests[0], requests[1]}, .is_open = true}, f.events());
        REQUIRE(group);
        for (std::size_t i = 0; i < steps; ++i) engine.step();
        REQUIRE(engine.add(*group, requests[2]));
        is_cancelled ? engine.cancel(*group) : engine.close(*group);
        CHECK(engine.counters().kept_bytes == 0);
        CHECK(engine.add(*group, requests[2]).error().code == ErrorCode::kInvalidArgument);
        engine.run();
        CHECK(f.ended.size() == 3);
        if (!is_cancelled) f.check_all({requests});
        // Only what the prefix cache holds, within its limit.
        CHECK(engine.counters().kept_bytes == 0);
        CHECK(*alive * block == engine.counters().kv_bytes);
      }
      CHECK(*alive == 0);
    }
  }
  EngineFixture f;
  auto engine = f.open();
  const auto whole = engine.submit({{requests[0]}}, f.events());
  REQUIRE(whole);
  CHECK(engine.add(*whole, requests[1]).error().code == ErrorCode::kInvalidArgument);
  engine.close(*whole);  // nothing to close: its answer goes on
  engine.close(77);
  engine.run();
  f.check_all({{requests[0]}});
}

TEST_CASE("a full queue refuses, and takes again what it has room for") {
  std::mt19937 random(6);
  const auto requests = siblings(random, 4);
  EngineFixture f;
  auto engine = f.open({.sequences_max = 1, .queue_max = 2});
  const auto group =
      engine.submit({.requests = {requests[0], requests[1]}, .is_open = true}, f.events());
  REQUIRE(group);
  CHECK(engine.add(*group, requests[2]).error().code == ErrorCode::kResourceExhausted);
  CHECK(engine.submit({{requests[2]}}, {}).error().code == ErrorCode::kResourceExhausted);
  REQUIRE(engine.step());  // one of them has a place now
  CHECK(engine.add(*group, requests[2]).value() == 2);
  CHECK(engine.add(*group, requests[3]).error().code == ErrorCode::kResourceExhausted);
  engine.cancel(*group);
  engine.step();
  CHECK(f.ended.size() == 3);
  REQUIRE(engine.submit({{requests[0], requests[1]}}, {}));
}

}  // namespace
}  // namespace weft::inference
