#include "inference/head_rows.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "inference/gguf.h"
#include "inference/hooks.h"
#include "inference/prefix_cache.h"
#include "inference/sampler.h"
#include "tests/fakes/reference_backend.h"
#include "tests/inference/engine_fixture.h"

namespace weft::inference {
namespace {

std::vector<TokenId> ids_of(std::size_t n, TokenId first) {
  std::vector<TokenId> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = (first + 37 * static_cast<TokenId>(i)) % 250;
  return ids;
}

/// Copies of the model's own rows of `ids`, times `factor`; read as those too, if they are inputs.
std::shared_ptr<const Hooks> copies(const TemporaryModel& file, std::span<const TokenId> ids,
                                    float factor, bool are_inputs = false) {
  const auto gguf = GgufFile::open(file.path()).value();
  const TensorInfo& rows = *gguf.tensor("token_embd.weight");
  const std::size_t width = rows.row_length();
  Hooks hooks;
  hooks.head.count = ids.size();
  hooks.head.weights.resize(ids.size() * width);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto row = std::span(hooks.head.weights).subspan(i * width, width);
    REQUIRE(gguf.read_rows(rows, static_cast<std::uint64_t>(ids[i]), 1, row));
    if (are_inputs) hooks.head.inputs.insert(hooks.head.inputs.end(), row.begin(), row.end());
    for (float& value : row) value *= factor;
  }
  return std::make_shared<const Hooks>(std::move(hooks));
}

TEST_CASE("a product with a head row is summed in 16 lanes") {
  std::vector<float> row(19);
  std::vector<float> hidden(19, 2.0F);
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i);
  std::vector<float> out(1);
  head_logits(row, hidden, out);
  CHECK(out[0] == 342.0F);  // 2 * (0 + ... + 18)
  // 2^24 + 1 isn't a float: lane 0 holds 2^24, and lane 1 the one that would be lost beside it.
  row.assign(19, 0.0F);
  row[0] = 16777216.0F;
  row[16] = -16777216.0F;
  row[1] = 1;
  hidden.assign(19, 1.0F);
  head_logits(row, hidden, out);
  CHECK(out[0] == 1.0F);
}

TEST_CASE("head rows that copy the model's give its logits again, behind the vocabulary") {
  const TemporaryModel file{fakes::TinyModelOptions{}};
  const auto model = file.load();
  const std::size_t vocabulary = model->config().vocabulary;
  const auto ids = ids_of(20, 4);
  const std::vector<TokenId> copied = {7, 200, 31};
  auto plain = Session::open(model).value();
  REQUIRE(plain.append(ids));
  const auto before = plain.logits();
  for (const std::size_t chunk : {1UL, 17UL}) {
    auto session = Session::open(model).value();
    const auto scope = session.attach(copies(file, copied, 1)).value();
    for (std::size_t i = 0; i < ids.size(); i += chunk) {
      REQUIRE(session.append(std::span(ids).subspan(i, std::min(chunk, ids.size() - i))));
    }
    const auto logits = session.logits();
    REQUIRE(logits.size() == vocabulary + 3);
    CHECK(std::ranges::equal(logits.first(vocabulary), before));  // bit by bit
    for (std::size_t i = 0; i < copied.size(); ++i) {
      CHECK(logits[vocabulary + i] ==
            Approx(before[static_cast<std::size_t>(copied[i])]).margin(1e-4));
    }
    // Scored as another token, at the end of a continuation only.
    const auto head = static_cast<TokenId>(vocabulary + 1);
    const std::vector<std::vector<TokenId>> continuations = {{head}, {5, head}};
    const auto scores = session.score(continuations).value();
    CHECK(scores[0].log_probabilities[0] == log_probability(logits, head));
    auto fork = Session::open(model).value();
    const auto longer = fork.attach(copies(file, copied, 1)).value();
    REQUIRE(fork.append(ids));
    REQUIRE(fork.append(std::vector<TokenId>{5}));
    CHECK(scores[1].log_probabilities[1] == log_probability(fork.logits(), head));
    const std::vector<std::vector<TokenId>> read = {{head, 5}};
    CHECK(session.score(read).error().code == ErrorCode::kInvalidArgument);
    CHECK(session.append(read[0]).error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("an answer ends with the head token that was drawn, alone and in a batch") {
  EngineFixture f;
  const TemporaryModel file{fakes::TinyModelOptions{}};
  f.model = file.load(*cpu_backend(2, cpu::best_level(), {.yield_to_load = false}));
  const auto vocabulary = static_cast<TokenId>(f.model->config().vocabulary);
  const auto free = f.alone({ids_of(30, 8), options_for(8)}, 0);
  REQUIRE(free.ids.size() == 8);
  // The fourth token's own row, but longer: where its logit is above zero it wins.
  const TokenId chosen = free.ids[3];
  const auto hooks = copies(file, std::vector{TokenId{0}, chosen}, 1.01F);
  Group group;
  for (int i = 0; i < 4; ++i) {
    group.requests.push_back({ids_of(30, 8 - i), options_for(8)});
    if (i % 2 == 0) group.requests.back().options.hooks = hooks;
  }
  auto engine = f.open();
  REQUIRE(engine.submit(group, f.events()));
  engine.run();
  f.check_all(group);
  const Generation& made = f.ended[{0, 0}];
  CHECK(made.finish_reason == FinishReason::kHeadToken);
  CHECK(to_string(made.finish_reason) == "head_token");
  CHECK(made.head_token == vocabulary + 1);
  CHECK(made.head_log_probability < 0);
  CHECK(made.ids.size() <= 3);
  CHECK(std::equal(made.ids.begin(), made.ids.end(), free.ids.begin()));
  CHECK_FALSE(f.ended[{1, 0}].head_token);

  // Masks and biases reach them.
  auto forbidden = group.requests[0];
  forbidden.options.logits = {TokenMask{TokenMask::Ids::kDenied, {vocabulary, vocabulary + 1}}};
  CHECK(f.alone(forbidden, 0).ids == free.ids);
  forbidden.options.logits = {TokenMask{TokenMask::Ids::kAllowed, {vocabulary}}};
  const auto forced = f.alone(forbidden, 0);
  CHECK(forced.head_token == vocabulary);
  CHECK(forced.head_log_probability == 0);
  forbidden.options.logits = {LogitBias{{{vocabulary + 2, 1.0F}}}};
  auto session = Session::open(f.model).value();
  CHECK(generate(session, forbidden.prompt, forbidden.options).error().code ==
        ErrorCode::kInvalidArgument);
}

TEST_CASE("a head token with an input is read as its row, and an answer goes on behind it") {
  for (const char* architecture : {"llama", "gemma3"}) {  // which scales its embeddings
    const TemporaryModel file{fakes::TinyModelOptions{.architecture = architecture}};
    const auto model = file.load();
    const auto head = static_cast<TokenId>(model->config().vocabulary + 1);
    const auto hooks = copies(file, std::vector<TokenId>{3, 200}, 1, true);
    std::vector<TokenId> with_head = ids_of(20, 4);
    std::vector<TokenId> with_copied = with_head;
    with_head[12] = head;
    with_copied[12] = 200;
    auto plain = Session::open(model).value();
    REQUIRE(plain.append(with_copied));
    PrefixCache prefixes(std::size_t{1} << 20);
    for (const std::size_t chunk : {1UL, 20UL}) {
      auto session = Session::open(model, {.prefixes = &prefixes}).value();
      const auto scope = session.attach(hooks).value();
      for (std::size_t i = 0; i < with_head.size(); i += chunk) {
        REQUIRE(session.append(std::span(with_head).subspan(i, chunk)));
      }
      CHECK(std::ranges::equal(session.logits().first(plain.logits().size()), plain.logits()));
      CHECK_FALSE(session.has_read(with_head));
      session.remember();
      CHECK(session.resume(with_head) == 12);  // nobody else may mean the same by it
    }
    GenerateOptions options = options_for(6);
    options.hooks = hooks;
    options.logits = {TokenMask{TokenMask::Ids::kDenied, {head - 1, head}}};
    auto session = Session::open(model, {.prefixes = &prefixes}).value();
    const auto made = generate(session, with_head, options).value();
    const auto expected = generate(plain, with_copied, options_for(6)).value();
    CHECK(made.ids == expected.ids);
    CHECK(made.usage.cached_tokens == 12);
    // Without the hooks, or without inputs, there is no such token.
    CHECK(session.append(with_head).error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("head rows that don't fit are refused") {
  const auto model = tiny();
  auto session = Session::open(model).value();
  Hooks hooks;
  hooks.head = {2, std::vector<float>(2 * model->config().width + 1)};
  CHECK(session.attach(std::make_shared<const Hooks>(hooks)).error().code ==
        ErrorCode::kInvalidArgument);
  hooks.head.weights.resize(2 * model->config().width);
  CHECK(session.attach(std::make_shared<const Hooks>(hooks)));
  hooks.head.weights[3] = std::nanf("");
  CHECK(session.attach(std::make_shared<const Hooks>(hooks)).error().code ==
        ErrorCode::kInvalidArgument);
  hooks.head.weights[3] = 0;
  hooks.head.inputs.resize(model->config().width);  // of two
  CHECK(session.attach(std::make_shared<const Hooks>(hooks)).error().message.find("inputs") !=
        std::string::npos);
  hooks.head.inputs.clear();
  const TemporaryModel file{fakes::TinyModelOptions{}};
  auto slow = Session::open(file.load(*fakes::reference_backend())).value();
  const auto scope = slow.attach(std::make_shared<const Hooks>(hooks)).value();
  CHECK(slow.append(ids_of(3, 1)).error().code == ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace weft::inference
