#pragma once
// A tiny model, requests to it, and a record of what an engine answers, for tests.

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "inference/engine.h"
#include "inference/session.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {

inline std::vector<TokenId> some_ids(std::mt19937& random, std::size_t n) {
  std::vector<TokenId> ids(n);
  for (TokenId& id : ids) id = static_cast<TokenId>(random() % 250);
  return ids;
}

inline GenerateOptions options_for(std::size_t max_tokens, std::uint64_t seed = 0,
                                   float temperature = 0) {
  GenerateOptions options;
  options.max_tokens = max_tokens;
  options.sampling.seed = seed;
  options.sampling.temperature = temperature;
  return options;
}

/// An engine's answers, and what they should be.
struct EngineFixture {
  using Key = std::pair<std::size_t, std::size_t>;  // request, sample

  std::shared_ptr<const Model> model =
      tiny({}, *cpu_backend(2, cpu::best_level(), {.yield_to_load = false}));
  std::map<Key, Generation> ended;
  std::map<Key, std::string> texts;
  std::map<Key, ErrorCode> failed;

  Engine open(const EngineOptions& options = {}) { return Engine::open(model, options).value(); }

  EngineEvents events() {
    return {[this](AnswerId id, std::string_view text) {
              texts[{id.request, id.sample}] += text;
              return true;
            },
            [this](AnswerId id, Result<Generation> made) {
              const Key key{id.request, id.sample};
              CHECK(ended.count(key) + failed.count(key) == 0);  // once
              if (made) {
                ended[key] = std::move(*made);
              } else {
                failed[key] = made.error().code;
              }
            }};
  }

  /// What generate() gives alone.
  Generation alone(const Request& request, std::size_t sample) {
    GenerateOptions options = request.options;
    options.sampling.seed = sample_seed(options.sampling.seed, sample);
    auto session = Session::open(model).value();
    return generate(session, request.prompt, options).value();
  }

  void check_all(const Group& group) {
    std::size_t answers = 0;
    for (std::size_t r = 0; r < group.requests.size(); ++r) {
      for (std::size_t s = 0; s < group.requests[r].samples; ++s, ++answers) {
        INFO("request " << r << ", sample " << s);
        const auto expected = alone(group.requests[r], s);
        const Key key{r, s};
        REQUIRE(ended.count(key) == 1);
        CHECK(ended[key].ids == expected.ids);
        CHECK(ended[key].text == expected.text);
        CHECK(ended[key].log_probabilities == expected.log_probabilities);
        CHECK(ended[key].finish_reason == expected.finish_reason);
        CHECK(texts[key] == expected.text);
      }
    }
    CHECK(ended.size() == answers);
  }
};

}  // namespace weft::inference
