// A22: sibling nodes of a graph share their prompts' beginning and their steps in the engine.

#include "planner/nodes/model.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "inference/session.h"
#include "planner/graph.h"
#include "planner/runtime.h"
#include "tests/inference/temporary_model.h"

namespace weft::planner {
namespace {

using inference::GenerateOptions;
using Text = std::string;

std::shared_ptr<const inference::Backend> backend() {
  return inference::cpu_backend(2, inference::cpu::best_level(), {.yield_to_load = false});
}

struct Fixture {
  explicit Fixture(std::shared_ptr<const inference::Model> loaded,
                   const inference::EngineOptions& options = {})
      : model(std::move(loaded)), engine(inference::Engine::open(model, options).value()) {}

  std::shared_ptr<const inference::Model> model;
  inference::Engine engine;
  SystemTimers timers;
  Lanes lanes{Lanes::Options{}};
  ThreadExecutor executor{lanes, timers};
  Runtime runtime{executor};
  ModelNodes nodes{engine, lanes.model()};

  Text alone(const Text& prompt, const GenerateOptions& options) {
    auto session = inference::Session::open(model).value();
    return inference::generate(session, model->tokenizer().encode(prompt, false), options)->text;
  }
  Program<std::vector<Text>> map(const GenerateOptions& options, const Policy& policy) {
    Graph g;
    const auto code = nodes.complete(options);
    return *g.build(g.map_each(
        "ask", g.input<std::vector<Text>>("prompts"),
        [&](Graph& in, Out<Text> prompt) { return in.call<Text>("ask", code, policy, prompt); }));
  }
};

/// 8 prompts that begin with the same `shared` and end with `tail` bytes of their own.
std::vector<Text> siblings(const Text& shared, const Text& tail) {
  std::vector<Text> prompts;
  for (char c = 'a'; c < 'i'; ++c) prompts.push_back(shared + c + tail);
  return prompts;
}

void check_siblings(Fixture& fixture, const std::vector<Text>& prompts, std::size_t max_tokens) {
  GenerateOptions options;
  options.max_tokens = max_tokens;
  options.sampling.temperature = 0;
  options.ignore_end_tokens = true;
  options.draft_tokens_max = 0;  // so that a step is a token
  const inference::Tokenizer& tokenizer = fixture.model->tokenizer();
  std::vector<std::vector<inference::TokenId>> ids;
  for (const Text& prompt : prompts) ids.push_back(tokenizer.encode(prompt, false));
  std::size_t shared = ids[0].size();
  std::int64_t prompt_tokens = 0;
  std::size_t tails = 0;
  for (const auto& one : ids) {
    const auto differ = std::ranges::mismatch(ids[0], one).in1 - ids[0].begin();
    shared = std::min(shared, static_cast<std::size_t>(differ));
    prompt_tokens += static_cast<std::int64_t>(one.size());
  }
  for (const auto& one : ids) tails += one.size() - shared;

  const auto program = fixture.map(options, ModelNodes::policy(2000, options));
  auto run = fixture.runtime.start(program, Inputs().set("prompts", prompts));
  REQUIRE(run);
  const auto answers = run->wait();
  INFO((answers ? "" : answers.error().message));
  REQUIRE(answers);
  const auto counters = fixture.engine.counters();
  std::cout << "A22: " << shared << " shared tokens and tails of " << tails << ": "
            << counters.prefilled_tokens << " read; " << counters.steps
            << " steps for 8 answers of " << max_tokens << " tokens\n";
  CHECK(counters.prefilled_tokens == shared + tails);
  CHECK(counters.decoded_tokens == 8 * max_tokens);
  CHECK(run->report().spent ==
        Spend{.prompt_tokens = prompt_tokens,
              .output_tokens = static_cast<std::int64_t>(8 * max_tokens),
              .calls = 8,
              .cached_tokens = prompt_tokens - static_cast<std::int64_t>(shared + tails)});
  // Decoding all at once: far fewer steps than one after the other, beside those that read.
  CHECK(counters.steps <= max_tokens + 2 + (shared + tails) / 32);
  for (std::size_t i = 0; i < prompts.size(); i += 3) {
    CHECK((*answers)[i] == fixture.alone(prompts[i], options));
  }
}

TEST_CASE("A22: 8 sibling nodes read their common beginning once, and decode together") {
  Fixture fixture(inference::tiny({}, *backend()));
  // Bytes are tokens here: a repeated text merges nowhere across the part that differs.
  Text shared;
  for (int i = 0; i < 32; ++i) shared += "0123456789 {}|^\n";
  check_siblings(fixture, siblings(shared.substr(0, 320), "~tail"), 16);
}

TEST_CASE("A22: and so they do on a real model, with 512 tokens", "[model]") {
  const char* folder = std::getenv("WEFT_TEST_MODELS");
  const auto path = std::filesystem::path(folder == nullptr ? "" : folder) / "smollm2-135m.gguf";
  if (folder == nullptr || !std::filesystem::exists(path)) {
    WARN("SKIPPED: WEFT_TEST_MODELS has no smollm2-135m.gguf");
    return;
  }
  Fixture fixture(inference::Model::load(path, *backend()).value());
  Text shared;
  for (int i = 0; i < 64; ++i) shared += " one two three four\nfive six seven";
  auto ids = fixture.model->tokenizer().encode(shared, false);
  REQUIRE(ids.size() >= 512);
  ids.resize(512);
  check_siblings(fixture,
                 siblings(fixture.model->tokenizer().decode(ids) + "\n\nQuestion ", ": why?"), 16);
}

TEST_CASE("a prompt that can't be answered fails alone, with the node's path") {
  Fixture fixture(inference::tiny({}, *backend()));
  GenerateOptions options;
  options.max_tokens = 4;
  options.sampling.temperature = 0;
  Graph g;
  const auto code = fixture.nodes.complete(options);
  const auto program = g.build(g.collect_each(
      "ask", g.input<std::vector<Text>>("prompts"), [&](Graph& in, Out<Text> prompt) {
        return in.call<Text>("ask", code, {.lane = LaneKind::kModel}, prompt);
      }));
  REQUIRE(program);
  const auto found = fixture.runtime.run(
      *program, Inputs().set("prompts", std::vector<Text>{"one", "", Text(2000, '~'), "two"}));
  REQUIRE(found);
  CHECK(found->indices == std::vector<std::int64_t>{0, 3});
  CHECK(found->values[0] == fixture.alone("one", options));
  REQUIRE(found->missing.size() == 2);
  CHECK(found->missing[0].message.find("node ask[1]: ") == 0);
  CHECK(found->missing[1].code == ErrorCode::kResourceExhausted);
}

/// A loop of three nodes whose prompts begin with 192 tokens each of their own, on an engine whose
/// cache holds two of them: how many prompt tokens were cached, and the answer.
std::pair<std::int64_t, Text> cached_in_a_loop(bool follows) {
  const auto model = inference::tiny({}, *backend());
  auto measured = inference::Session::open(model).value();
  REQUIRE(measured.append(std::vector<inference::TokenId>(64, 5)));
  Fixture fixture(model, {.kv_bytes_max = 11 * measured.kv_bytes()});
  GenerateOptions options;
  options.max_tokens = 4;
  options.sampling.temperature = 0;
  options.ignore_end_tokens = true;
  Graph g;
  const auto program = g.build(g.loop(
      "loop", g.input<Text>("in"),
      [&](Graph& inside, Out<Text> state) {
        for (const char* each : {"0", "1", "2"}) {
          Text fixed;
          for (int i = 0; i < 12; ++i) fixed += Text(each) + "123456789 {}|^\n";
          const PromptNode node{.prompt = PromptTemplate::parse(fixed + "{{x}}").value(),
                                .is_raw = true,
                                .options = options};
          state = inside.call<Text>(each, fixture.nodes.prompt(node), {.lane = LaneKind::kModel},
                                    state);
        }
        return state;
      },
      6));
  REQUIRE(program);
  if (follows) REQUIRE(fixture.nodes.follow(program->body()));
  auto run = fixture.runtime.start(*program, Inputs().set<Text>("in", "x"));
  REQUIRE(run);
  const auto answer = run->wait();
  INFO((answer ? "" : answer.error().message));
  REQUIRE(answer);
  return {run->report().spent.cached_tokens, *answer};
}

TEST_CASE("of a loop's prompts, the cache keeps those that come soonest") {
  const auto [by_age, answer] = cached_in_a_loop(false);
  const auto [by_next_use, same] = cached_in_a_loop(true);
  std::cout << "a loop of 3 prompts, a cache of 2: " << by_age << " tokens cached by age, "
            << by_next_use << " by next use\n";
  CHECK(same == answer);
  CHECK(by_next_use > by_age + 3 * 192);
}

TEST_CASE("a map of more calls than the engine's queue holds waits for places in it") {
  Fixture fixture(inference::tiny({}, *backend()));
  GenerateOptions options;
  options.max_tokens = 1;
  options.sampling.temperature = 0;
  options.ignore_end_tokens = true;
  const auto program = fixture.map(options, ModelNodes::policy(20, options));
  std::vector<Text> prompts;
  for (int i = 0; i < 1200; ++i) prompts.push_back(std::to_string(i));
  const auto answers = fixture.runtime.run(program, Inputs().set("prompts", prompts));
  INFO((answers ? "" : answers.error().message));
  REQUIRE(answers);
  CHECK(answers->size() == prompts.size());
  CHECK(answers->back() == fixture.alone("1199", options));
}

TEST_CASE("a prompt of named texts is the user's message, and gives as many answers as asked for") {
  Fixture fixture(inference::tiny({}, *backend()));
  GenerateOptions options;
  options.max_tokens = 6;
  options.sampling.temperature = 1;
  options.sampling.seed = 7;
  options.ignore_end_tokens = true;
  const auto source = PromptTemplate::parse("Say {{a}} and {{b}}").value();
  const PromptNode one{.prompt = source, .is_raw = true, .options = options};
  PromptNode many = one;
  many.samples = 3;
  Graph g;
  const auto a = g.input<Text>("a");
  const auto b = g.input<Text>("b");
  const auto first = g.call<Text>("one", fixture.nodes.prompt(one), {}, a, b);
  const auto rest = g.call<std::vector<Text>>("many", fixture.nodes.prompt(many), {}, a, b);
  const auto all = g.node(
      "all",
      [](Ctx&, const Text& alone, std::vector<Text> texts) {
        texts.push_back(alone);
        return texts;
      },
      {}, first, rest);
  auto run = fixture.runtime.start(*g.build(all), Inputs().set<Text>("a", "x").set<Text>("b", "y"));
  REQUIRE(run);
  const auto answers = run->wait();
  INFO((answers ? "" : answers.error().message));
  REQUIRE(answers);
  REQUIRE(answers->size() == 4);
  CHECK((*answers)[0] == fixture.alone("Say x and y", options));
  CHECK((*answers)[3] == (*answers)[0]);  // the first sample is that of one
  CHECK((*answers)[1] != (*answers)[0]);
  CHECK(run->report().spent.output_tokens == 4 * 6);
  CHECK(run->report().spent.calls == 2);
}

TEST_CASE("each element of a map draws numbers of its own, the same ones in each run") {
  Fixture fixture(inference::tiny({}, *backend()));
  GenerateOptions options;
  options.max_tokens = 8;
  options.sampling.temperature = 1;
  options.sampling.seed = 7;
  options.ignore_end_tokens = true;
  const auto program = fixture.map(options, ModelNodes::policy(2000, options));
  const auto answers = [&](std::uint64_t seed) {
    const auto inputs = Inputs().set("prompts", std::vector<Text>(8, "say"));
    return fixture.runtime.run(program, inputs, {.seed = seed}).value();
  };
  const std::vector<Text> first = answers(0);
  CHECK(std::set(first.begin(), first.end()).size() > 4);  // some are the same by chance
  CHECK(first[0] != fixture.alone("say", options));  // that is a node's outside of maps and loops
  CHECK(answers(0) == first);
  CHECK(answers(1) != first);
}

TEST_CASE("a prompt beyond its node's limit fails, and a fingerprint tells prompts and options") {
  Fixture fixture(inference::tiny({}, *backend()));
  PromptNode node{.prompt = PromptTemplate::parse("{{text}}").value(), .is_raw = true};
  node.prompt_tokens_max = 8;
  const auto code = fixture.nodes.prompt(node);
  Graph g;
  const auto program = g.build(g.call<Text>("ask", code, {}, g.input<Text>("text")));
  const auto refused = fixture.runtime.run(*program, Inputs().set("text", Text(50, '~')));
  CHECK(refused.error().code == ErrorCode::kResourceExhausted);
  CHECK(refused.error().message.find("but the node's limit is 8") != Text::npos);
  CHECK(fixture.nodes.prompt(node)->fingerprint == code->fingerprint);
  PromptNode warmer = node;
  warmer.options.sampling.temperature = 1;
  CHECK(fixture.nodes.prompt(warmer)->fingerprint != code->fingerprint);
  PromptNode other = node;
  other.prompt = PromptTemplate::parse("{{text}}!").value();
  CHECK(fixture.nodes.prompt(other)->fingerprint != code->fingerprint);
}

TEST_CASE("a stop ends answers between steps, and a budget the calls it has no room for") {
  Fixture fixture(inference::tiny({}, *backend()));
  GenerateOptions options;
  options.max_tokens = 400;
  options.ignore_end_tokens = true;
  const auto program = fixture.map(options, ModelNodes::policy(20, options));
  std::stop_source stop;
  auto run = fixture.runtime.start(program, Inputs().set("prompts", std::vector<Text>{"a", "b"}),
                                   {.stop = stop.get_token()});
  REQUIRE(run);
  stop.request_stop();
  CHECK(run->wait().error().code == ErrorCode::kCancelled);
  const auto refused = fixture.runtime.run(program, Inputs().set("prompts", std::vector<Text>{"a"}),
                                           {.limit = {.output_tokens = 399}});
  CHECK(refused.error().message.find(
            "node ask[0]: the budget has no room for 400 more output tokens") == 0);
}

}  // namespace
}  // namespace weft::planner
