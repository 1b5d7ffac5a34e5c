#include "inference/logits_processor.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "inference/engine.h"
#include "inference/generate.h"
#include "inference/logits_chain.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

using Allowed = TokenMask::Ids;

/// The logits 2, -1, 0.5, 4 after a prompt of 3, 3 and an answer of 1, 0, 1.
std::vector<float> changed(const LogitsStep& step) {
  std::vector<float> logits = {2, -1, 0.5F, 4};
  const std::vector<TokenId> tokens = {3, 3, 1, 0, 1};
  auto chain = LogitsChain::open(std::span(&step, 1), logits.size());
  REQUIRE(chain);
  REQUIRE(chain->apply({logits, tokens, 2, 0}));
  return logits;
}

TEST_CASE("biases, masks and penalties change logits as they are defined") {
  CHECK(changed(LogitBias{{{0, 1.5F}, {2, -kInfinity}, {0, 1}}}) ==
        std::vector<float>{4.5F, -1, -kInfinity, 4});
  CHECK(changed(TokenMask{Allowed::kAllowed, {1, 3, 1}}) ==
        std::vector<float>{-kInfinity, -1, -kInfinity, 4});
  CHECK(changed(TokenMask{Allowed::kDenied, {1, 3}}) ==
        std::vector<float>{2, -kInfinity, 0.5F, -kInfinity});
  CHECK(changed(Penalties{}) == std::vector<float>{2, -1, 0.5F, 4});
  // The repetition penalty counts the prompt too, as far back as it looks.
  CHECK(changed(Penalties{.repeat = 2}) == std::vector<float>{1, -2, 0.5F, 2});
  CHECK(changed(Penalties{.repeat = 2, .repeat_last = 3}) == std::vector<float>{1, -2, 0.5F, 4});
  CHECK(changed(Penalties{.repeat = 2, .repeat_last = 0}) == std::vector<float>{2, -1, 0.5F, 4});
  // Those of OpenAI count what was sampled.
  CHECK(changed(Penalties{.presence = 0.5F}) == std::vector<float>{1.5F, -1.5F, 0.5F, 4});
  CHECK(changed(Penalties{.frequency = 0.5F}) == std::vector<float>{1.5F, -2, 0.5F, 4});
  CHECK(changed(Penalties{.repeat = 2, .presence = -1, .frequency = 0.5F}) ==
        std::vector<float>{1.5F, -2, 0.5F, 2});
}

/// Forbids the last three tokens, which it keeps itself; and checks what it is told against them.
class NoRecent : public LogitsProcessor {
 public:
  struct Log {
    std::atomic<int> clones = 0, rows = 0, dropped = 0, wrong = 0;
  };
  NoRecent(Log& log, bool can_roll_back) : log_(&log), can_roll_back_(can_roll_back) {}

  Capabilities capabilities() const noexcept override {
    return {.needs_all_logits = false, .can_roll_back = can_roll_back_};
  }
  std::unique_ptr<LogitsProcessor> clone() const override {
    ++log_->clones;
    return std::make_unique<NoRecent>(*this);
  }
  Result<void> begin(std::span<const TokenId> tokens, std::size_t rows) override {
    expect(begun_ == 0 && rows > 0 && (can_roll_back_ || rows == 1));
    expect(std::ranges::equal(seen_, tokens.first(seen_.size())));
    expect(seen_.empty() || seen_.size() + rows == tokens.size());
    seen_.assign(tokens.begin(), tokens.end());
    begun_ = rows;
    applied_ = 0;
    return {};
  }
  Result<void> apply(const LogitsRow& row) override {
    expect(row.draft_index == applied_++ && applied_ <= begun_);
    const std::size_t length = seen_.size() - begun_ + applied_;
    expect(row.tokens.size() == length &&
           std::ranges::equal(row.tokens, std::span(seen_).first(length)));
    for (std::size_t back = 1; back <= std::min<std::size_t>(3, length); ++back) {
      row.logits[static_cast<std::size_t>(seen_[length - back])] = -kInfinity;
    }
    ++log_->rows;
    return {};
  }
  Result<void> commit(std::size_t rows) override {
    expect(rows == applied_);
    begun_ -= rows;
    return {};
  }
  Result<void> rollback(std::size_t rows) override {
    expect(can_roll_back_ && rows == begun_);
    log_->dropped += static_cast<int>(rows);
    seen_.resize(seen_.size() - rows);
    begun_ = 0;
    return {};
  }

 private:
  void expect(bool holds) { log_->wrong += holds ? 0 : 1; }

  Log* log_;
  bool can_roll_back_;
  std::vector<TokenId> seen_;
  std::size_t begun_ = 0, applied_ = 0;
};

struct Fixture {
  std::shared_ptr<const Model> model =
      tiny({}, *cpu_backend(2, cpu::best_level(), {.yield_to_load = false}));

  Result<Generation> try_alone(std::span<const TokenId> prompt, const GenerateOptions& options) {
    auto session = Session::open(model).value();
    return generate(session, prompt, options);
  }
  Generation alone(std::span<const TokenId> prompt, const GenerateOptions& options) {
    auto made = try_alone(prompt, options);
    REQUIRE(made);
    return *made;
  }
  /// A prompt that holds the model's answer to it twice, which invites drafts.
  std::vector<TokenId> inviting(GenerateOptions options) {
    const auto question = model->tokenizer().encode("hello the on", false);
    const auto answer = alone(question, options);
    auto prompt = question;
    for (int i = 0; i < 2; ++i) {
      prompt.insert(prompt.end(), answer.ids.begin(), answer.ids.end());
      prompt.insert(prompt.end(), question.begin(), question.end());
    }
    return prompt;
  }
  std::vector<Generation> in_batch(const Group& group) {
    std::vector<Generation> ended;
    auto engine = Engine::open(model, {.prefill_tokens_max = 5}).value();
    for (const Request& request : group.requests) ended.resize(ended.size() + request.samples);
    REQUIRE(engine.submit(group, {{}, [&](AnswerId id, Result<Generation> made) {
                                    REQUIRE(made);
                                    std::size_t i = id.sample;
                                    for (std::size_t r = 0; r < id.request; ++r)
                                      i += group.requests[r].samples;
                                    ended[i] = std::move(*made);
                                  }}));
    engine.run();
    return ended;
  }
};

void check_equal(const Generation& a, const Generation& b) {
  CHECK(a.ids == b.ids);
  CHECK(a.text == b.text);
  CHECK(a.log_probabilities == b.log_probabilities);
  CHECK(a.finish_reason == b.finish_reason);
}

TEST_CASE("steps act alike alone and in a batch, with drafts and without") {
  Fixture f;
  NoRecent::Log log;
  std::size_t accepted = 0;
  const std::vector<std::vector<LogitsStep>> chains = {
      {},
      {LogitBias{{{5, 3}, {7, -kInfinity}}}},
      {Penalties{.repeat = 1.3F, .presence = 0.2F, .frequency = 0.1F}},
      {TokenMask{Allowed::kDenied, {1, 2, 3}}, std::make_shared<NoRecent>(log, true)},
      {std::make_shared<NoRecent>(log, false)}};
  for (const float temperature : {0.0F, 1.0F}) {
    Group group;
    std::vector<Generation> expected;
    for (const auto& chain : chains) {
      GenerateOptions options;
      options.max_tokens = 60;
      options.sampling = {.temperature = temperature, .seed = 3};
      options.logits = chain;
      const auto prompt = f.inviting(options);
      const auto plain = [&] {
        auto off = options;
        off.draft_tokens_max = 0;
        return f.alone(prompt, off);
      }();
      const auto drafted = f.alone(prompt, options);
      check_equal(drafted, plain);
      CHECK((drafted.usage.drafted_tokens == 0 ||
             std::ranges::none_of(chain, [](const LogitsStep& step) {
               const auto* own = std::get_if<std::shared_ptr<const LogitsProcessor>>(&step);
               return own != nullptr && !(*own)->capabilities().can_roll_back;
             })));
      accepted += drafted.usage.accepted_tokens;
      // Samples have processors of their own.
      group.requests.push_back({prompt, options, 2});
      expected.push_back(plain);
      options.sampling.seed = sample_seed(options.sampling.seed, 1);
      expected.push_back(f.alone(prompt, options));
    }
    const auto made = f.in_batch(group);
    REQUIRE(made.size() == expected.size());
    for (std::size_t i = 0; i < made.size(); ++i) {
      INFO("answer " << i);
      check_equal(made[i], expected[i]);
    }
  }
  CHECK(accepted > 0);
  CHECK(log.wrong == 0);
  CHECK(log.rows > 0);
  CHECK(log.dropped > 0);
  CHECK(log.clones > 0);
}

TEST_CASE("an answer holds to a mask, and its probabilities are those that the mask leaves") {
  Fixture f;
  const auto prompt = f.model->tokenizer().encode("hello", false);
  GenerateOptions options;
  options.max_tokens = 30;
  options.sampling = {.temperature = 5, .seed = 1};
  options.logits = {TokenMask{Allowed::kAllowed, {65, 66}}};
  for (const auto& sampling :
       {options.sampling, SamplingOptions{.temperature = 5, .top_k = 9},
        SamplingOptions{.temperature = 5, .top_p = 0.99F}, SamplingOptions{.temperature = 0}}) {
    options.sampling = sampling;
    const auto made = f.alone(prompt, options);
    CHECK(made.ids.size() == 30);
    CHECK(std::ranges::all_of(made.ids, [](TokenId id) { return id == 65 || id == 66; }));
  }
  options.logits = {TokenMask{Allowed::kAllowed, {65}}};
  const auto only = f.alone(prompt, options);
  CHECK(only.ids == std::vector<TokenId>(30, 65));
  CHECK(only.log_probabilities == std::vector<float>(30, 0));
}

/// Does `what` it is told at the fourth row of the answer.
class Fails : public LogitsProcessor {
 public:
  enum class What { kError, kThrow, kThrowInt, kNothingLeft, kNotANumber };
  explicit Fails(What what) : what_(what) {}
  Capabilities capabilities() const noexcept override { return {}; }
  std::unique_ptr<LogitsProcessor> clone() const override { return std::make_unique<Fails>(*this); }
  Result<void> begin(std::span<const TokenId>, std::size_t) override { return {}; }
  Result<void> apply(const LogitsRow& row) override {
    if (row.tokens.size() - row.prompt_tokens != 3) return {};
    if (what_ == What::kError) return Error{ErrorCode::kNotFound, "no such key"};
    if (what_ == What::kThrow) throw std::runtime_error("spilled");
    if (what_ == What::kThrowInt) throw 7;
    std::ranges::fill(row.logits, what_ == What::kNothingLeft ? -kInfinity : std::nanf(""));
    return {};
  }
  Result<void> commit(std::size_t) override { return {}; }
  Result<void> rollback(std::size_t) override { return {}; }

 private:
  What what_;
};

TEST_CASE("a processor that fails or throws ends its answer with an error, and no other") {
  Fixture f;
  const auto prompt = f.model->tokenizer().encode("hello", false);
  using What = Fails::What;
  const auto expect = [&](What what, ErrorCode code, const std::string& part) {
    GenerateOptions options;
    options.max_tokens = 8;
    const auto whole = f.alone(prompt, options);
    auto failing = options;
    failing.logits = {std::make_shared<Fails>(what)};
    const auto alone = f.try_alone(prompt, failing);
    REQUIRE_FALSE(alone);
    CHECK(alone.error().code == code);
    CHECK(alone.error().message.find(part) != std::string::npos);
    auto engine = Engine::open(f.model, {}).value();
    int ended = 0;
    REQUIRE(engine.submit({{{prompt, failing}, {prompt, options}}},
                          {{}, [&](AnswerId id, Result<Generation> made) {
                             ++ended;
                             CHECK(static_cast<bool>(made) == (id.request == 1));
                             if (made) CHECK(made->ids == whole.ids);
                             if (!made) CHECK(made.error().message == alone.error().message);
                           }}));
    engine.run();
    CHECK(ended == 2);
  };
  expect(What::kError, ErrorCode::kNotFound, "no such key");
  expect(What::kThrow, ErrorCode::kInternal, "spilled");
  expect(What::kThrowInt, ErrorCode::kInternal, "apply()");
  expect(What::kNothingLeft, ErrorCode::kInvalidArgument, "token 3");
  expect(What::kNotANumber, ErrorCode::kInvalidArgument, "token 3");
}

TEST_CASE("a chain that can't be right is refused, its step named") {
  const auto refused = [](const std::vector<LogitsStep>& steps, const std::string& part) {
    const auto checked = validate(steps, 10);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().code == ErrorCode::kInvalidArgument);
    CHECK(checked.error().message.find(part) != std::string::npos);
  };
  refused({LogitBias{{{10, 1}}}}, "step 0: token 10");
  refused({LogitBias{{{-1, 1}}}}, "token -1");
  refused({LogitBias{{{1, kInfinity}}}}, "bias of token 1");
  refused({LogitBias{}, TokenMask{Allowed::kDenied, {11}}}, "step 1");
  refused({TokenMask{}}, "allows no token");
  refused({Penalties{.repeat = 0}}, "above 0");
  refused({Penalties{.presence = kInfinity}}, "finite");
  refused({std::shared_ptr<const LogitsProcessor>()}, "null");
  const auto mixes = std::make_shared<Fails>(Fails::What::kError);  // says it needs all logits
  refused({TokenMask{Allowed::kDenied, {1}}, mixes}, "before the mask");
  CHECK(validate(std::vector<LogitsStep>{mixes, TokenMask{Allowed::kDenied, {1}}}, 10));
}

}  // namespace
}  // namespace weft::inference
