#include "inference/backend.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <stop_token>
#include <vector>

#include "inference/engine.h"
#include "inference/gguf.h"
#include "inference/prefix_cache.h"
#include "inference/session.h"
#include "tests/fakes/reference_backend.h"
#include "tests/fakes/reference_forward.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

std::vector<TokenId> ids_of(std::size_t n, TokenId first) {
  std::vector<TokenId> ids(n);
  for (std::size_t i = 0; i < n; ++i) ids[i] = (first + 37 * static_cast<TokenId>(i)) % 250;
  return ids;
}

using Rows = std::vector<std::vector<float>>;

/// The reference's own logits from position `first` on.
Rows expected_rows(const TemporaryModel& file, std::span<const TokenId> ids, std::size_t first) {
  const auto gguf = GgufFile::open(file.path());
  REQUIRE(gguf);
  const auto logits = fakes::reference_logits(*gguf, ids);
  REQUIRE(logits);
  Rows rows;
  for (std::size_t i = first; i < ids.size(); ++i) {
    rows.emplace_back((*logits)[i].begin(), (*logits)[i].end());
  }
  return rows;
}

std::vector<float> last_row(const Session& session) {
  return {session.logits().begin(), session.logits().end()};
}

TEST_CASE("a session runs on another backend") {
  for (const char* architecture : {"llama", "gemma3"}) {
    fakes::TinyModelOptions options;
    options.architecture = architecture;
    const TemporaryModel file(options);
    const auto model = file.load(*fakes::reference_backend());
    CHECK(model->backend() == "reference");
    auto session = Session::open(model).value();
    const auto ids = ids_of(70, 5);
    Rows rows;
    REQUIRE(session.append(std::span(ids).first(66)));
    REQUIRE(session.append_each(std::span(ids).subspan(66), 1,
                                [&](std::size_t, std::span<const float> row) {
                                  rows.emplace_back(row.begin(), row.end());
                                }));
    CHECK(rows == expected_rows(file, ids, 67));

    auto fork = session.fork();
    const auto other = ids_of(3, 90);
    REQUIRE(fork.append(other));
    auto both = ids;
    both.insert(both.end(), other.begin(), other.end());
    CHECK(last_row(fork) == expected_rows(file, both, both.size() - 1).front());
    REQUIRE(fork.truncate(10));
    REQUIRE(fork.append(other));
    both.assign(ids.begin(), ids.begin() + 10);
    both.insert(both.end(), other.begin(), other.end());
    CHECK(last_row(fork) == expected_rows(file, both, both.size() - 1).front());
    CHECK(last_row(session) == expected_rows(file, ids, ids.size() - 1).front());

    const std::vector<std::vector<TokenId>> continuations = {ids_of(4, 1), ids_of(2, 2)};
    const auto scores = session.score(continuations).value();
    for (std::size_t i = 0; i < continuations.size(); ++i) {
      auto whole = ids;
      whole.insert(whole.end(), continuations[i].begin(), continuations[i].end());
      const auto logits = expected_rows(file, whole, ids.size() - 1);
      for (std::size_t j = 0; j < continuations[i].size(); ++j) {
        CHECK(scores[i].log_probabilities[j] == log_probability(logits[j], continuations[i][j]));
      }
    }
  }
}

TEST_CASE("the engine runs on another backend") {
  const TemporaryModel file{fakes::TinyModelOptions{}};
  const auto model = file.load(*fakes::reference_backend());
  Group group;
  const auto prefix = ids_of(70, 3);
  for (const TokenId tail : {1, 2}) {
    Request request;
    request.prompt = prefix;
    request.prompt.push_back(tail);
    request.options.max_tokens = 6;
    request.options.sampling.temperature = 1;
    request.samples = 2;
    group.requests.push_back(request);
  }
  auto engine = Engine::open(model).value();
  std::size_t ended = 0;
  REQUIRE(engine.submit(group, {{}, [&](AnswerId id, Result<Generation> made) {
                                  ++ended;
                                  REQUIRE(made);
                                  auto options = group.requests[id.request].options;
                                  options.sampling.seed =
                                      sample_seed(options.sampling.seed, id.sample);
                                  auto session = Session::open(model).value();
                                  const auto alone =
                                      generate(session, group.requests[id.request].prompt, options);
                                  REQUIRE(alone);
                                  CHECK(made->ids == alone->ids);
                                  CHECK(made->log_probabilities == alone->log_probabilities);
                                }}));
  engine.run();
  CHECK(ended == 4);
  CHECK(engine.counters().shared_tokens > prefix.size());  // blocks of this backend were shared
}

TEST_CASE("rows of the embedding read as the tokens that they belong to") {
  for (const char* architecture : {"llama", "gemma3"}) {  // gemma3 scales them
    fakes::TinyModelOptions options;
    options.architecture = architecture;
    const TemporaryModel file(options);
    const auto gguf = GgufFile::open(file.path()).value();
    const auto ids = ids_of(300, 11);  // more than a step
    for (const auto& backend : {cpu_backend(), fakes::reference_backend()}) {
      const bool is_slow = backend->name() == "reference";
      const auto model = file.load(*backend);
      const std::size_t width = model->config().width;
      const auto read = std::span(ids).first(is_slow ? 20 : ids.size());
      std::vector<float> rows(read.size() * width);
      for (std::size_t i = 0; i < read.size(); ++i) {
        REQUIRE(gguf.read_rows(*gguf.tensor("token_embd.weight"),
                               static_cast<std::uint64_t>(read[i]), 1,
                               std::span(rows).subspan(i * width, width)));
      }
      auto by_ids = Session::open(model).value();
      REQUIRE(by_ids.append(read));
      auto by_rows = Session::open(model).value();
      REQUIRE(by_rows.append(rows));
      CHECK(last_row(by_rows) == last_row(by_ids));
      CHECK(by_rows.tokens().size() == read.size());
      CHECK(std::ranges::count(by_rows.tokens(), kNoToken) ==
            static_cast<std::ptrdiff_t>(read.size()));
      // Tokens after rows.
      REQUIRE(by_rows.append(ids_of(3, 1)));
      REQUIRE(by_ids.append(ids_of(3, 1)));
      CHECK(last_row(by_rows) == last_row(by_ids));
    }
  }
}

TEST_CASE("no prompt is taken for rows that were read, and rows that can't be are refused") {
  const auto model = tiny();
  const std::size_t width = model->config().width;
  auto session = Session::open(model, {.context_length_max = 8}).value();
  REQUIRE(session.append(ids_of(2, 1)));
  REQUIRE(session.append(std::vector<float>(2 * width, 0.5F)));
  GenerateOptions options;
  options.max_tokens = 1;
  auto prompt = ids_of(2, 1);
  prompt.insert(prompt.end(), {kNoToken, kNoToken, 7});
  auto fork = session.fork();
  CHECK(generate(fork, prompt, options).error().code == ErrorCode::kInvalidArgument);
  prompt.resize(2);
  prompt.push_back(9);
  CHECK(generate(fork, prompt, options)->usage.cached_tokens == 2);  // as far as tokens were read

  const auto before = last_row(session);
  std::vector<float> rows(width, 0.0F);
  rows[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK(session.append(rows).error().message.find("value 3 of row 0") != std::string::npos);
  CHECK(session.append(std::vector<float>(width + 1)).error().code == ErrorCode::kInvalidArgument);
  CHECK(session.append(std::span<const float>()).error().code == ErrorCode::kInvalidArgument);
  CHECK(session.append(std::vector<float>(5 * width)).error().code ==
        ErrorCode::kResourceExhausted);
  CHECK(last_row(session) == before);
}

TEST_CASE("a backend that can't go back refuses to, and answers are the same") {
  const TemporaryModel file{fakes::TinyModelOptions{}};
  const auto free = file.load(*fakes::reference_backend());
  const auto model = file.load(*fakes::reference_backend(16));
  auto session = Session::open(model).value();
  const auto ids = ids_of(40, 5);
  REQUIRE(session.append(ids));
  const auto refused = session.truncate(23);
  CHECK(refused.error().code == ErrorCode::kUnsupported);
  CHECK(refused.error().message.find("keep 24 or more") != std::string::npos);
  CHECK(session.tokens().size() == 40);
  CHECK(session.truncate(24));
  GenerateOptions options;
  options.max_tokens = 3;
  auto prompt = std::vector<TokenId>(ids.begin(), ids.begin() + 4);
  prompt.push_back(9);
  auto fresh = Session::open(free).value();
  const auto expected = generate(fresh, prompt, options).value();
  const auto made = generate(session, prompt, options).value();
  CHECK(made.ids == expected.ids);
  CHECK(made.usage.cached_tokens == 0);  // read anew

  PrefixCache prefixes(std::size_t{1} << 20);  // keeps nothing of it
  for (int round = 0; round < 2; ++round) {
    auto sharing = Session::open(model, {.prefixes = &prefixes}).value();
    const auto again = generate(sharing, prompt, options).value();
    CHECK(again.ids == expected.ids);
    CHECK(again.usage.cached_tokens == 0);
  }
  CHECK(prefixes.size_bytes() == 0);

  auto engine = Engine::open(model).value();
  for (int round = 0; round < 2; ++round) {
    REQUIRE(engine.submit({{{prompt, options}}}, {{}, [&](AnswerId, Result<Generation> answer) {
                                                    CHECK(answer.value().ids == expected.ids);
                                                  }}));
    engine.run();
  }
  CHECK(engine.counters().shared_tokens == 0);
  CHECK(engine.counters().kv_bytes == 0);

  // A prompt that is cancelled halfway before its first step changes nothing; one that fails later
  // leaves nothing, for what was there can't be gone back to.
  std::stop_source stop;
  REQUIRE(session.truncate(0));
  REQUIRE(session.append(std::span(ids).first(3)));
  stop.request_stop();
  CHECK(session.append(ids, stop.get_token()).error().code == ErrorCode::kCancelled);
  CHECK(session.tokens().size() == 3);  // nothing was read yet
  CHECK_THROWS(session.append_each(
      ids, 0, [](std::size_t, std::span<const float>) { throw std::runtime_error("enough"); }));
  CHECK(session.tokens().empty());
  CHECK(session.logits().empty());
}

std::shared_ptr<const Backend> q8_backend(std::size_t threads, cpu::Level level) {
  const cpu::ThreadPoolOptions all = {.yield_to_load = false};
  return cpu::make_backend(level, std::make_shared<cpu::ThreadPool>(threads, all), KvType::kQ8_0);
}

TEST_CASE("keys and values in q8_0 give the same bits at all levels and in any chunks") {
  for (const char* architecture : {"llama", "gemma3"}) {
    fakes::TinyModelOptions options;
    options.architecture = architecture;
    options.head_width = 48;  // a scale of 32 values and one of 16
    const TemporaryModel file(options);
    const auto ids = ids_of(150, 7);
    const auto rows_of = [&](const Backend& backend, std::size_t chunk) {
      auto session = Session::open(file.load(backend)).value();
      Rows rows;
      for (std::size_t i = 0; i < ids.size(); i += chunk) {
        const auto part = std::span(ids).subspan(i, std::min(chunk, ids.size() - i));
        REQUIRE(session.append_each(part, 0, [&](std::size_t, std::span<const float> row) {
          rows.emplace_back(row.begin(), row.end());
        }));
      }
      return rows;
    };
    const auto expected = rows_of(*q8_backend(1, cpu::Level::kScalar), 1);
    for (const char* name : {"scalar", "avx2", "avx512vnni"}) {
      const auto level = cpu::choose_level(name);
      if (!level) continue;
      for (const std::size_t chunk : {1UL, 17UL, 150UL}) {
        INFO(architecture << ", " << name << ", chunks of " << chunk);
        CHECK(rows_of(*q8_backend(2, *level), chunk) == expected);
      }
    }
    const auto full = rows_of(*cpu_backend(), 150);
    CHECK(full != expected);
    double squares = 0, differences = 0;
    for (std::size_t i = 0; i < full.size(); ++i) {
      for (std::size_t j = 0; j < full[i].size(); ++j) {
        const double difference = double{full[i][j]} - double{expected[i][j]};
        squares += double{full[i][j]} * double{full[i][j]};
        differences += difference * difference;
      }
    }
    CHECK(std::sqrt(differences / squares) < 0.02);
  }
}

TEST_CASE("q8_0 takes about half the memory of f16, and has an id of its own") {
  const TemporaryModel file{fakes::TinyModelOptions{.head_width = 64}};
  const auto half = file.load(*q8_backend(1, cpu::best_level()));
  const auto full = file.load();
  const auto bytes = [](const Model& model) {
    return model.weights().open_runner().value()->kv_memory()->block_bytes();
  };
  CHECK(bytes(*half) * 32 == bytes(*full) * 17);  // 34 bytes for 32 values, not 64
  auto session = Session::open(half).value();
  CHECK(session.kv_bytes() == 0);
  REQUIRE(session.append(ids_of(65, 1)));
  CHECK(session.kv_bytes() == 2 * bytes(*half));
  CHECK(half->numerics() != full->numerics());
  CHECK(half->numerics().mode == "exact, kv q8_0");
}

}  // namespace
}  // namespace weft::inference
