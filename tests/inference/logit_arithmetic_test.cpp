#include "inference/logit_arithmetic.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "inference/engine.h"
#include "inference/generate.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST_CASE("logits are combined as the papers have it") {
  const std::vector<float> expert = {0, 2, 0}, anti = {1, 0.5F, 0};
  std::vector<float> logits = {2, 1, 0};
  combine(logits, std::vector<WeightedLogits>{{expert, 1}, {anti, -1}}, {});
  CHECK(logits == std::vector<float>{1, 2.5F, 0});
  const double sum = std::exp(1.0) + std::exp(2.5) + 1;
  CHECK(std::exp(1.0) / sum == Approx(0.170953).margin(1e-6));
  CHECK(std::exp(2.5) / sum == Approx(0.766157).margin(1e-6));

  // An ensemble's mean, of a member whose vocabulary is shorter.
  logits = {2, 1, 0};
  combine(logits, std::vector<WeightedLogits>{{std::span(expert).first(2), 0.5F}},
          {.weight = 0.5F});
  CHECK(logits == std::vector<float>{1, 1.5F, -kInfinity});

  // ln 0.3 = -1.2: the third token's probability is less than 0.3 of the first one's.
  logits = {2, 1, 0};
  combine(logits, std::vector<WeightedLogits>{{anti, -1}}, {.weight = 2, .plausibility = 0.3F});
  CHECK(logits == std::vector<float>{3, 1.5F, -kInfinity});
}

struct Models {
  std::shared_ptr<const Model> base = tiny();
  std::shared_ptr<const Model> other = tiny({.seed = 9});

  static GenerateOptions options(float temperature, std::size_t drafts) {
    GenerateOptions made;
    made.sampling.temperature = temperature;
    made.sampling.seed = 5;
    made.max_tokens = 30;
    made.ignore_end_tokens = true;
    made.draft_tokens_max = drafts;
    return made;
  }
  std::vector<TokenId> prompt() const {
    return base->tokenizer().encode("hello the one hello the one hello the", false);
  }
  static Peer peer(const std::shared_ptr<const Model>& model, float weight) {
    return {Session::open(model).value(), weight, {}};
  }
  template <typename... Each>
  LogitsStep step(const CombineOptions& combining, Each... each) const {
    std::vector<Peer> peers;
    (peers.push_back(std::move(each)), ...);
    return logit_arithmetic(base->tokenizer(), std::move(peers), combining).value();
  }
  Generation answer(std::vector<LogitsStep> steps, float temperature = 0,
                    std::size_t drafts = 10) const {
    auto session = Session::open(base).value();
    auto wanted = options(temperature, drafts);
    wanted.logits = std::move(steps);
    return generate(session, prompt(), wanted).value();
  }
};

TEST_CASE("an expert that is the anti-expert leaves the base alone, copies of a model are it") {
  const Models models;
  const auto plain = models.answer({}).ids;
  const float third = 1.0F / 3;
  CHECK(
      models.answer({models.step({}, models.peer(models.other, 1), models.peer(models.other, -1))})
          .ids == plain);
  CHECK(models.answer({models.step({.weight = 0.5F}, models.peer(models.base, 0.5F))}).ids ==
        plain);
  CHECK(models
            .answer({models.step({.weight = third}, models.peer(models.base, third),
                                 models.peer(models.base, third))})
            .ids == plain);
}

TEST_CASE("a base without weight is its peer, which may have read another prompt") {
  const Models models;
  const auto prompt = models.base->tokenizer().encode("another beginning", false);
  auto session = Session::open(models.other).value();
  const auto expected = generate(session, prompt, Models::options(0, 10)).value();
  Peer peer = models.peer(models.other, 1);
  peer.prompt = prompt;
  CHECK(models.answer({models.step({.weight = 0}, std::move(peer))}).ids == expected.ids);
}

TEST_CASE("drafts and samples change nothing about a sum of logits") {
  const Models models;
  const std::vector<LogitsStep> steps = {
      models.step({}, models.peer(models.other, 0.2F), models.peer(models.base, -0.1F)),
      Penalties{.presence = 0.01F}};
  const auto made = models.answer(steps);
  CHECK(made.usage.drafted_tokens > 0);
  CHECK(made.ids == models.answer(steps, 0, 0).ids);

  const auto sampled = models.answer(steps, 1);
  CHECK(sampled.ids != models.answer({}, 1).ids);
  auto options = Models::options(1, 10);
  options.logits = steps;
  auto engine = Engine::open(models.base).value();
  std::vector<std::vector<TokenId>> ids(2);
  REQUIRE(engine.submit({{{models.prompt(), options, 2}}},
                        {{}, [&](AnswerId id, Result<Generation> answer) {
                           REQUIRE(answer);
                           ids[id.sample] = answer->ids;
                         }}));
  engine.run();
  CHECK(ids[0] == sampled.ids);
  CHECK(ids[1] != sampled.ids);
}

TEST_CASE("no models, other tokens and weights without end are refused") {
  const Models models;
  const auto refused = [&](const CombineOptions& options, std::optional<Peer> peer) {
    std::vector<Peer> peers;
    if (peer) peers.push_back(*std::move(peer));
    const auto made = logit_arithmetic(models.base->tokenizer(), std::move(peers), options);
    return !made && made.error().code == ErrorCode::kInvalidArgument;
  };
  CHECK(refused({}, std::nullopt));
  CHECK(refused({}, models.peer(models.base, kInfinity)));
  CHECK(refused({.plausibility = 2}, models.peer(models.base, 1)));
  CHECK(refused({.weight = kInfinity}, models.peer(models.base, 1)));

  auto bytes = fakes::tiny_model({}).build().bytes;
  bytes[after(bytes, "<|im_star")] = decltype(bytes)::value_type('p');
  CHECK(refused({}, models.peer(TemporaryModel(bytes).load(), 1)));
}

}  // namespace
}  // namespace weft::inference
