// The engine against llama.cpp on real models: facts in tests/golden/engine.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "inference/cpu/thread_pool.h"
#include "inference/generate.h"
#include "inference/model.h"
#include "inference/perplexity.h"
#include "inference/session.h"

namespace weft::inference {
namespace {

const std::string kGolden = std::string(WEFT_SOURCE_DIR) + "/tests/golden/engine/";

nlohmann::json facts(const std::string& name) {
  return nlohmann::json::parse(std::ifstream(kGolden + name + ".json"));
}

std::shared_ptr<const Model> load(const std::string& name) {
  const char* folder = std::getenv("WEFT_TEST_MODELS");
  const auto path = std::filesystem::path(folder == nullptr ? "" : folder) / (name + ".gguf");
  if (folder == nullptr || !std::filesystem::exists(path)) {
    std::cout << "SKIPPED: WEFT_TEST_MODELS holds no " << name << ".gguf\n";
    return nullptr;
  }
  auto model = Model::load(path, {});
  if (!model) FAIL(model.error().message);
  return *model;
}

std::vector<TokenId> wikitext_ids(const Tokenizer& tokenizer) {
  std::ifstream file(kGolden + "wikitext2_test_prefix.txt", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return tokenizer.encode(text, false);
}

// Eight-bit activations make a model chaotic: where one value rounds the other way, all later
// layers see noise. llama.cpp meets it too when it computes in another order, with the same file,
// CPU and fp16 cache: against its own facts here, flash attention gives another best token at 2.8 %
// of smollm2's steps, up to a gap of 0.33 (a batch in place of single tokens: 2.6 %, up to 0.52),
// leaves 8 of 50 answers as they were, and has a mean KL of 0.0012 on qwen2.5. The bounds below are
// what this engine keeps today, so that it can't get worse unnoticed. The goals are stricter and
// not all met: gap 0.1, share 0.995, KL 0.001, perplexity 0.002, 40 of 50 answers.
constexpr double kClearGap = 0.75;          // logits: above it the best token must be the same
constexpr double kSameShare = 0.96;         // of all steps
constexpr double kDivergenceMax = 0.002;    // nats
constexpr double kPerplexityShift = 0.003;  // relative

/// Fed llama.cpp's own tokens, the engine prefers the same next one wherever that was clear.
void check_teacher_forced(Session& session, const nlohmann::json& rows) {
  std::size_t steps = 0;
  std::size_t same = 0;
  for (const auto& row : rows) {
    const std::vector<TokenId> prompt = row["prompt_ids"];
    const std::vector<TokenId> ids = row["ids"];
    const std::vector<double> gaps = row["gaps"];
    std::vector<TokenId> all = prompt;
    all.insert(all.end(), ids.begin(), ids.end() - 1);
    REQUIRE(session.truncate(0));
    REQUIRE(session.append_each(
        all, prompt.size() - 1, [&](std::size_t i, std::span<const float> logits) {
          const std::size_t step = i + 1 - prompt.size();
          const TokenId best = sample(logits, {}, 0);
          ++steps;
          same += best == ids[step] ? 1 : 0;
          INFO("step " << step << " of " << row["prompt_ids"] << ", gap " << gaps[step]);
          if (gaps[step] >= kClearGap) CHECK(best == ids[step]);
        }));
  }
  std::cout << "teacher-forced: " << same << " of " << steps << " best tokens agree\n";
  CHECK(static_cast<double>(same) >= kSameShare * static_cast<double>(steps));
}

void check_greedy(Session& session, const nlohmann::json& rows, int same_min) {
  int same = 0;
  for (const auto& row : rows) {
    std::vector<TokenId> ids = row["ids"];
    GenerateOptions options;
    options.max_tokens = 64;
    const auto result = generate(session, std::vector<TokenId>(row["prompt_ids"]), options);
    REQUIRE(result);
    if (session.model().tokenizer().is_end_of_generation(ids.back())) ids.pop_back();
    same += result->ids == ids ? 1 : 0;
  }
  std::cout << "greedy: " << same << " of " << rows.size() << " answers identical\n";
  CHECK(same >= same_min);
}

/// KL(llama.cpp || ours) over its 20 most probable tokens, mean over the positions.
void check_top20(Session& session, const nlohmann::json& rows, std::span<const TokenId> ids,
                 double divergence_max) {
  std::map<std::size_t, std::vector<nlohmann::json>> by_window;
  for (const auto& row : rows) by_window[row["chunk"]].push_back(row);
  const Tokenizer& tokenizer = session.model().tokenizer();
  double sum = 0;
  for (const auto& [window, positions] : by_window) {
    std::vector<TokenId> read(ids.begin() + static_cast<std::ptrdiff_t>(window * 512),
                              ids.begin() + static_cast<std::ptrdiff_t>(window * 512 + 511));
    if (tokenizer.adds_bos()) read.front() = tokenizer.bos().value();
    REQUIRE(session.truncate(0));
    REQUIRE(session.append_each(read, 0, [&](std::size_t i, std::span<const float> logits) {
      for (const auto& row : positions) {
        if (row["position"] != i) continue;
        for (const auto& [id, expected] :
             row["top"].get<std::vector<std::pair<TokenId, double>>>()) {
          sum += std::exp(expected) * (expected - static_cast<double>(log_probability(logits, id)));
        }
      }
    }));
  }
  const double mean = sum / static_cast<double>(rows.size());
  std::cout << "mean KL of the top 20: " << mean << "\n";
  CHECK(std::abs(mean) <= divergence_max);
}

void check_perplexity(Session& session, const nlohmann::json& expected,
                      std::span<const TokenId> ids) {
  const std::size_t windows = expected["chunks"];
  PerplexityOptions options;
  options.windows_max = windows;
  const auto result = perplexity(session, ids, options);
  REQUIRE(result);
  REQUIRE(result->nll_per_window.size() == windows);
  for (std::size_t i = 0; i < windows; ++i) {
    CHECK(result->nll_per_window[i] ==
          Approx(expected["nll_per_chunk"][i].get<double>()).epsilon(0.01));
  }
  const double ratio = result->perplexity / expected["ppl"].get<double>();
  std::cout << "perplexity: " << result->perplexity << ", llama.cpp's times " << ratio << "\n";
  CHECK(std::abs(ratio - 1) <= kPerplexityShift);
}

void check_parity(const std::string& name, int greedy_same_min,
                  double divergence_max = kDivergenceMax) {
  const auto model = load(name);
  if (model == nullptr) return;
  const nlohmann::json golden = facts(name);
  cpu::ThreadPool pool(std::min(2U, std::max(1U, std::thread::hardware_concurrency())));
  auto session = Session::open(model, pool).value();
  const auto ids = wikitext_ids(model->tokenizer());
  const std::vector<TokenId> first = golden["perplexity"]["first_chunk_ids"];
  REQUIRE(std::vector(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(first.size())) ==
          first);
  check_teacher_forced(session, golden["greedy"]);
  check_top20(session, golden["top20"], ids, divergence_max);
  check_perplexity(session, golden["perplexity"], ids);
  check_greedy(session, golden["greedy"], greedy_same_min);
}

TEST_CASE("smollm2-135m computes what llama.cpp computes", "[model][slow]") {
  check_parity("smollm2-135m", 5);
}

TEST_CASE("qwen2.5-coder-0.5b computes what llama.cpp computes", "[model][slow]") {
  check_parity("qwen2.5-coder-0.5b", 18);
}

TEST_CASE("gemma-3-270m computes what llama.cpp computes", "[model][slow]") {
  // Gemma's great activations make it the most chaotic: rounding them to fp16 before and after GELU
  // (as llama.cpp's table does) moves the gap between the two best tokens by 0.122 on average over
  // the 3,200 steps, and llama.cpp's gaps are 0.122 away from these, 0.121 from those.
  check_parity("gemma-3-270m", 10, 0.005);
}

}  // namespace
}  // namespace weft::inference
