#include "inference/backend.h"

#include <catch2/catch.hpp>
#include <map>
#include <vector>

#include "inference/engine.h"
#include "inference/gguf.h"
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

}  // namespace
}  // namespace weft::inference
