// Logits of the allowed tokens alone: the same answers as where all of them are computed.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "inference/backend.h"
#include "inference/grammar/automaton.h"
#include "inference/grammar/constraint.h"
#include "inference/grammar/regex.h"
#include "inference/grammar/token_trie.h"
#include "inference/kv_cache.h"
#include "tests/inference/engine_fixture.h"

namespace weft::inference {
namespace {

std::vector<TokenId> ids_of(std::size_t n, TokenId first) {
  std::vector<TokenId> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = (first + 37 * static_cast<TokenId>(i)) % 250;
  return ids;
}

std::vector<std::uint64_t> bits_of(std::span<const TokenId> ids, std::size_t vocabulary) {
  std::vector<std::uint64_t> bits((vocabulary + 63) / 64);
  for (const TokenId id : ids) bits[static_cast<std::size_t>(id) / 64] |= 1ULL << id % 64;
  return bits;
}

/// A mask as code: without allowed(), the slow twin.
class Masking : public LogitsProcessor {
 public:
  Masking(std::shared_ptr<const LogitsProcessor> inner, bool tells, std::size_t& sparse_rows)
      : inner_(inner->clone()), tells_(tells), sparse_rows_(sparse_rows) {}
  Capabilities capabilities() const noexcept override { return inner_->capabilities(); }
  std::unique_ptr<LogitsProcessor> clone() const override {
    return std::make_unique<Masking>(std::shared_ptr(inner_->clone()), tells_, sparse_rows_);
  }
  Result<void> begin(std::span<const TokenId> tokens, std::size_t rows) override {
    return inner_->begin(tokens, rows);
  }
  Result<void> apply(const LogitsRow& row) override {
    const auto forbidden = [](float value) { return std::isinf(value); };
    sparse_rows_ += std::ranges::any_of(row.logits, forbidden) ? 1 : 0;
    return inner_->apply(row);
  }
  Result<std::span<const std::uint64_t>> allowed(const LogitsRow& row) override {
    return tells_ ? inner_->allowed(row) : LogitsProcessor::allowed(row);
  }
  Result<void> commit(std::size_t rows) override { return inner_->commit(rows); }
  Result<void> rollback(std::size_t rows) override { return inner_->rollback(rows); }

 private:
  std::unique_ptr<LogitsProcessor> inner_;
  bool tells_;
  std::size_t& sparse_rows_;
};

TEST_CASE("logits of some tokens are those of the whole head") {
  for (const auto type : {TensorType::kF32, TensorType::kQ8_0, TensorType::kQ4_0}) {
    fakes::TinyModelOptions options;
    options.types = {{"token_embd", type}};
    for (const std::size_t threads : {1UL, 2UL}) {
      const auto model =
          tiny(options, *cpu_backend(threads, cpu::best_level(), {.yield_to_load = false}));
      const std::size_t vocabulary = model->config().vocabulary;
      const auto runner = model->weights().open_runner().value();
      KvCache cache(runner->kv_memory());
      const auto ids = ids_of(5, 1);
      const Slice slice{ids, &cache, 3};
      REQUIRE(runner->read(std::span(&slice, 1)));
      std::vector<float> all(2 * vocabulary);
      REQUIRE(runner->logits(0, 2, all));
      const auto last = static_cast<TokenId>(vocabulary - 1);
      for (const std::vector<TokenId>& few :
           {std::vector<TokenId>{0}, {last}, {3, 15, 16, 17, 40, 100, last}, {}}) {
        std::vector<float> some(vocabulary, 1.0F);
        auto bits = bits_of(few, vocabulary);
        bits.push_back(~0ULL);  // past the vocabulary
        REQUIRE(runner->sparse_logits(1, bits, some));
        for (const TokenId id : few) {
          CHECK(some[static_cast<std::size_t>(id)] ==
                all[vocabulary + static_cast<std::size_t>(id)]);
        }
        CHECK(some[200] == -std::numeric_limits<float>::infinity());
      }
    }
  }
}

/// Answers to several prompts, alone and in a batch.
void check_same(const LogitsStep& sparse, const LogitsStep& dense, std::size_t threads) {
  EngineFixture f;
  f.model = tiny({}, *cpu_backend(threads, cpu::best_level(), {.yield_to_load = false}));
  Group group;
  std::vector<Generation> expected;
  for (int i = 0; i < 4; ++i) {
    Request request{ids_of(20, 3 * i), options_for(8, 5, i % 2 * 1.5F)};
    request.options.logits = {LogitBias{{{'a', 0.5F}}}, dense, Penalties{.repeat = 1.2F}};
    expected.push_back(f.alone(request, 0));
    if (i != 3) request.options.logits[1] = sparse;
    group.requests.push_back(request);
  }
  auto engine = f.open();
  REQUIRE(engine.submit(group, f.events()));
  engine.run();
  f.check_all(group);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CHECK(f.ended[{i, 0}].ids == expected[i].ids);
    CHECK(f.ended[{i, 0}].log_probabilities == expected[i].log_probabilities);
  }
}

/// Denies all but a few tokens, and knows so beforehand.
class Few : public LogitsProcessor {
 public:
  explicit Few(std::size_t vocabulary)
      : bits_(bits_of(std::vector<TokenId>{'a', 'b', 'd', 'k'}, vocabulary)) {}
  Capabilities capabilities() const noexcept override {
    return {.needs_all_logits = false, .can_roll_back = true};
  }
  std::unique_ptr<LogitsProcessor> clone() const override { return std::make_unique<Few>(*this); }
  Result<void> begin(std::span<const TokenId>, std::size_t) override { return {}; }
  Result<void> apply(const LogitsRow& row) override {
    grammar::apply_mask(bits_, row.logits);
    return {};
  }
  Result<std::span<const std::uint64_t>> allowed(const LogitsRow&) override {
    return std::span<const std::uint64_t>(bits_);
  }
  Result<void> commit(std::size_t) override { return {}; }
  Result<void> rollback(std::size_t) override { return {}; }

 private:
  std::vector<std::uint64_t> bits_;
};

TEST_CASE("answers under a mask are the same with the sparse head, alone and in a batch") {
  const std::size_t vocabulary = tiny()->config().vocabulary;
  std::size_t sparse_rows = 0;
  std::size_t dense_rows = 0;
  const auto few = std::make_shared<const Few>(vocabulary);
  const std::shared_ptr<const LogitsProcessor> sparse =
      std::make_shared<const Masking>(few, true, sparse_rows);
  const std::shared_ptr<const LogitsProcessor> dense =
      std::make_shared<const Masking>(few, false, dense_rows);
  for (const std::size_t threads : {1UL, 2UL}) check_same(sparse, dense, threads);
  CHECK(sparse_rows >= 2 * 2 * 3 * 7);  // each row but a prompt's last of generate()
  CHECK(dense_rows == 0);
  check_same(TokenMask{TokenMask::Ids::kAllowed, {'a', 'b', 'd', 'k'}}, dense, 1);
}

TEST_CASE("a grammar's answers are the same with the sparse head") {
  const auto model = tiny();
  std::size_t sparse_rows = 0;
  std::size_t dense_rows = 0;
  const auto parsed = grammar::regex_grammar("(ab|ba)(a|b){3}(c|d)+").value();
  const auto automaton = grammar::compile(parsed).value();
  const auto trie = grammar::TokenTrie::of(model->tokenizer()).value();
  const auto constraint = grammar::constrain(automaton, trie);
  const std::shared_ptr<const LogitsProcessor> sparse =
      std::make_shared<const Masking>(constraint, true, sparse_rows);
  const std::shared_ptr<const LogitsProcessor> dense =
      std::make_shared<const Masking>(constraint, false, dense_rows);
  check_same(sparse, dense, 1);
  CHECK(sparse_rows > 0);
  CHECK(dense_rows == 0);
}

TEST_CASE("a step of the chain that needs all logits gets them") {
  /// Says nothing beforehand, changes nothing, and looks.
  class Looking : public Few {
   public:
    explicit Looking(std::size_t& finite) : Few(272), finite_(finite) {}
    Capabilities capabilities() const noexcept override { return {.needs_all_logits = true}; }
    std::unique_ptr<LogitsProcessor> clone() const override {
      return std::make_unique<Looking>(*this);
    }
    Result<void> apply(const LogitsRow& row) override {
      finite_ += std::ranges::all_of(row.logits, [](float v) { return std::isfinite(v); }) ? 1 : 0;
      return {};
    }

   private:
    std::size_t& finite_;
  };
  std::size_t finite = 0;
  EngineFixture f;
  Request request{ids_of(20, 1), options_for(6)};
  request.options.logits = {std::make_shared<const Looking>(finite),
                            TokenMask{TokenMask::Ids::kAllowed, {'a', 'b'}}};
  CHECK(f.alone(request, 0).ids.size() == 6);
  CHECK(finite == 6);
}

}  // namespace
}  // namespace weft::inference
