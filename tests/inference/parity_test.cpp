// The engine against llama.cpp on real models: facts in tests/golden/engine.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "inference/generate.h"
#include "inference/gguf.h"
#include "inference/model.h"
#include "inference/perplexity.h"
#include "inference/session.h"
#include "tests/fakes/temp_dir.h"

namespace weft::inference {
namespace {

const std::string kGolden = std::string(WEFT_SOURCE_DIR) + "/tests/golden/engine/";

nlohmann::json facts(const std::string& name) {
  return nlohmann::json::parse(std::ifstream(kGolden + name + ".json"));
}

std::shared_ptr<const Backend> backend() {
  const std::size_t threads = std::min(2U, std::max(1U, std::thread::hardware_concurrency()));
  return open_backend({.threads = threads}).value();
}

std::shared_ptr<const Model> load(const std::string& name) {
  const char* folder = std::getenv("WEFT_TEST_MODELS");
  const auto path = std::filesystem::path(folder == nullptr ? "" : folder) / (name + ".gguf");
  if (folder == nullptr || !std::filesystem::exists(path)) {
    std::cout << "SKIPPED: WEFT_TEST_MODELS holds no " << name << ".gguf\n";
    return nullptr;
  }
  auto model = Model::load(path, *backend());
  if (!model) FAIL(model.error().message);
  return *model;
}

std::vector<TokenId> wikitext_ids(const Tokenizer& tokenizer) {
  std::ifstream file(kGolden + "wikitext2_test_prefix.txt", std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return tokenizer.encode(text, false);
}

// Eight-bit activations make a model chaotic: where one value rounds the other way, all later
// layers see noise. So the engine is compared with llama.cpp beside the same engine with the rotary
// base (or the norms) one unit in the last place off (1e-7 of it): what that changes, any engine
// that doesn't repeat llama.cpp's very instructions will change too. The twin of smollm2 gives 6 of
// 50 greedy answers as the model itself does; so "40 of 50 identical" and "the same best token
// wherever the gap is 0.1" can't be asked of a right engine. What is asked: as close to llama.cpp
// as to the twin.
constexpr double kLikeTwin = 1.5;           // times what the twin differs
constexpr double kGapLikeTwin = 2;          // the same for the greatest of a few gaps
constexpr double kDivergenceMin = 0.001;    // nats: below it is as good as equal
constexpr double kPerplexityShift = 0.002;  // relative

/// How one way of computing differs from another, over the golden rows.
struct Difference {
  std::size_t steps = 0;
  std::size_t other_best = 0;
  double gap_max = 0;     // logits, at a step with another best token
  double divergence = 0;  // mean |KL| of the top 20
  std::size_t same_answers = 0;

  void step(bool same, double gap) {
    ++steps;
    if (same) return;
    ++other_best;
    gap_max = std::max(gap_max, gap);
  }
  void print(const std::string& name) const {
    std::cout << name << ": " << other_best << " of " << steps
              << " best tokens differ, at gaps up to " << gap_max << "; mean |KL| of the top 20 "
              << divergence << "; " << same_answers << " greedy answers identical\n";
  }
};

struct Floats {
  std::uint64_t offset;  // in the file
  std::size_t count;
};

/// What the twin changes: the rotary base, which turns the heads of all layers. But most of Gemma's
/// layers turn by a base that isn't in the file: there all norms.
std::vector<Floats> changed_floats(const Model& model) {
  if (model.config().ropes.size() > 1) {
    const auto file = GgufFile::open(model.path());
    REQUIRE(file);
    std::vector<Floats> norms;
    for (const TensorInfo& tensor : file->tensors()) {
      if (tensor.type == TensorType::kF32) norms.push_back({tensor.offset, tensor.row_length()});
    }
    return norms;
  }
  const std::string name = std::string(to_string(model.config().architecture)) + ".rope.freq_base";
  // In the file: the key's length in 8 bytes, the key, the value's type in 4, the value.
  const std::string key =
      std::string(1, static_cast<char>(name.size())) + std::string(7, '\0') + name;
  std::ifstream file(model.path(), std::ios::binary);
  std::string head(1 << 20, '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  const auto at = head.find(key);
  REQUIRE(at != std::string::npos);
  return {{at + key.size() + 4, 1}};
}

/// The model with those numbers one unit in the last place greater.
std::shared_ptr<const Model> twin_of(const Model& model, const std::filesystem::path& folder) {
  const auto path = folder / "twin.gguf";
  std::filesystem::copy_file(model.path(), path);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  for (const auto& [offset, count] : changed_floats(model)) {
    std::vector<std::uint32_t> bits(count);
    const auto size = static_cast<std::streamsize>(count * sizeof(std::uint32_t));
    const auto at = static_cast<std::streamoff>(offset);
    file.seekg(at).read(reinterpret_cast<char*>(bits.data()), size);
    for (std::uint32_t& value : bits) ++value;
    file.seekp(at).write(reinterpret_cast<const char*>(bits.data()), size);
  }
  file.close();
  REQUIRE(file);
  auto twin = Model::load(path, *backend());
  if (!twin) FAIL(twin.error().message);
  return *twin;
}

/// The best token after each of the row's steps, fed llama.cpp's own tokens, and the gap to the
/// second best.
std::vector<std::pair<TokenId, double>> best_tokens(Session& session, const nlohmann::json& row) {
  const std::vector<TokenId> prompt = row["prompt_ids"];
  const std::vector<TokenId> ids = row["ids"];
  std::vector<TokenId> all = prompt;
  all.insert(all.end(), ids.begin(), ids.end() - 1);
  std::vector<std::pair<TokenId, double>> found;
  REQUIRE(session.truncate(0));
  REQUIRE(
      session.append_each(all, prompt.size() - 1, [&](std::size_t, std::span<const float> logits) {
        const TokenId best = sample(logits, {}, 0);
        float second = -std::numeric_limits<float>::infinity();
        for (std::size_t i = 0; i < logits.size(); ++i) {
          if (static_cast<TokenId>(i) != best) second = std::max(second, logits[i]);
        }
        found.emplace_back(best, logits[static_cast<std::size_t>(best)] - second);
      }));
  return found;
}

std::vector<TokenId> greedy(Session& session, const nlohmann::json& row) {
  GenerateOptions options;
  options.max_tokens = 64;
  const auto result = generate(session, std::vector<TokenId>(row["prompt_ids"]), options);
  REQUIRE(result);
  return result->ids;
}

void compare_greedy(Session& ours, Session& twin, const nlohmann::json& rows, Difference& golden,
                    Difference& noise) {
  for (const auto& row : rows) {
    std::vector<TokenId> ids = row["ids"];
    const std::vector<double> gaps = row["gaps"];
    const auto here = best_tokens(ours, row);
    const auto there = best_tokens(twin, row);
    for (std::size_t i = 0; i < here.size(); ++i) {
      golden.step(here[i].first == ids[i], gaps[i]);
      noise.step(here[i].first == there[i].first, here[i].second);
    }
    if (ours.model().tokenizer().is_end_of_generation(ids.back())) ids.pop_back();
    const auto answer = greedy(ours, row);
    golden.same_answers += answer == ids ? 1 : 0;
    noise.same_answers += answer == greedy(twin, row) ? 1 : 0;
  }
}

using Positions = std::map<std::size_t, std::vector<nlohmann::json>>;  // by window

/// ln p of the golden tokens at each of the golden positions.
std::vector<std::vector<double>> log_probabilities(Session& session, const Positions& by_window,
                                                   std::span<const TokenId> ids) {
  std::vector<std::vector<double>> found;
  const Tokenizer& tokenizer = session.model().tokenizer();
  for (const auto& [window, positions] : by_window) {
    const auto part = ids.subspan(window * 512, 511);
    std::vector<TokenId> read(part.begin(), part.end());
    if (tokenizer.adds_bos()) read.front() = tokenizer.bos().value();
    REQUIRE(session.truncate(0));
    REQUIRE(session.append_each(read, 0, [&](std::size_t i, std::span<const float> logits) {
      for (const auto& row : positions) {
        if (row["position"] != i) continue;
        auto& values = found.emplace_back();
        for (const auto& pair : row["top"]) {
          values.push_back(static_cast<double>(log_probability(logits, pair[0])));
        }
      }
    }));
  }
  return found;
}

/// Mean over the positions of |sum of p (ln p - ln q)| over the tokens.
double mean_divergence(const std::vector<std::vector<double>>& p,
                       const std::vector<std::vector<double>>& q) {
  double total = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < p[i].size(); ++j) sum += std::exp(p[i][j]) * (p[i][j] - q[i][j]);
    total += std::abs(sum);
  }
  return total / static_cast<double>(p.size());
}

void compare_top20(Session& ours, Session& twin, const nlohmann::json& rows,
                   std::span<const TokenId> ids, Difference& golden, Difference& noise) {
  Positions by_window;
  for (const auto& row : rows) by_window[row["chunk"]].push_back(row);
  std::vector<std::vector<double>> expected;
  for (auto& [window, positions] : by_window) {
    std::ranges::sort(positions, {}, [](const auto& row) -> int { return row["position"]; });
    for (const auto& row : positions) {
      auto& values = expected.emplace_back();
      for (const auto& pair : row["top"]) values.push_back(pair[1]);
    }
  }
  const auto here = log_probabilities(ours, by_window, ids);
  REQUIRE(here.size() == rows.size());
  golden.divergence = mean_divergence(expected, here);
  noise.divergence = mean_divergence(here, log_probabilities(twin, by_window, ids));
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

void check_parity(const std::string& name) {
  const auto model = load(name);
  if (model == nullptr) return;
  const test::TempDir folder;
  const auto twin_model = twin_of(*model, folder.path());
  const nlohmann::json golden = facts(name);
  auto ours = Session::open(model).value();
  auto twin = Session::open(twin_model).value();
  const auto ids = wikitext_ids(model->tokenizer());
  const std::vector<TokenId> first = golden["perplexity"]["first_chunk_ids"];
  REQUIRE(std::vector(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(first.size())) ==
          first);
  Difference llama_cpp;
  Difference noise;
  compare_greedy(ours, twin, golden["greedy"], llama_cpp, noise);
  compare_top20(ours, twin, golden["top20"], ids, llama_cpp, noise);
  llama_cpp.print(name + " beside llama.cpp");
  noise.print(name + " beside its twin");
  CHECK(static_cast<double>(llama_cpp.other_best) <=
        kLikeTwin * static_cast<double>(noise.other_best));
  CHECK(llama_cpp.gap_max <= kGapLikeTwin * noise.gap_max);
  CHECK(llama_cpp.divergence <= std::max(kDivergenceMin, kLikeTwin * noise.divergence));
  CHECK(kLikeTwin * static_cast<double>(llama_cpp.same_answers) >=
        static_cast<double>(noise.same_answers));
  check_perplexity(ours, golden["perplexity"], ids);
}

TEST_CASE("smollm2-135m is as close to llama.cpp as to itself with one bit changed",
          "[model][slow]") {
  check_parity("smollm2-135m");
}

TEST_CASE("qwen2.5-coder-0.5b is as close to llama.cpp as to itself with one bit changed",
          "[model][slow]") {
  check_parity("qwen2.5-coder-0.5b");
}

TEST_CASE("gemma-3-270m is as close to llama.cpp as to itself with one bit changed",
          "[model][slow]") {
  check_parity("gemma-3-270m");
}

TEST_CASE("keys and values in q8_0 keep smollm2-135m's perplexity within 1 %", "[model]") {
  const auto half = load("smollm2-135m");
  if (half == nullptr) return;
  const auto model =
      Model::load(half->path(), *open_backend({.kv = KvType::kQ8_0}).value()).value();
  const auto ids = wikitext_ids(half->tokenizer());
  PerplexityOptions options;
  options.windows_max = 4;
  auto full = Session::open(half).value();
  auto packed = Session::open(model).value();
  const double expected = perplexity(full, ids, options).value().perplexity;
  const double found = perplexity(packed, ids, options).value().perplexity;
  INFO("f16 " << expected << ", q8_0 " << found);
  CHECK(found != expected);
  CHECK(std::fabs(found / expected - 1) < 0.01);
}

}  // namespace
}  // namespace weft::inference
