// The oracle of the forward pass against another implementation: the logits below are those of
// llama.cpp (commit series of 2026, CPU, F16 cache) for the same files.

#include "tests/fakes/reference_forward.h"

#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/fakes/tiny_model.h"

namespace weft::fakes {
namespace {

using inference::GgufFile;
using inference::TokenId;

GgufFile open_tiny(const TinyModelOptions& options) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("weft_reference_" + std::to_string(::getpid()) + ".gguf");
  auto file = GgufFile::open(write_tiny_model(path, options));
  std::filesystem::remove(path);  // the open file stays
  REQUIRE(file);
  return *std::move(file);
}

TinyModelOptions qwen2() {
  TinyModelOptions options;
  options.architecture = "qwen2";
  options.splitter = "qwen2";
  options.separate_output = true;
  return options;
}

std::vector<TokenId> forty_ids() {
  std::vector<TokenId> ids;
  for (int i = 0; i < 40; ++i) ids.push_back((i * 37 + 11) % 272);
  return ids;
}

void check_last(const GgufFile& file, std::vector<double> at_0_1_5, std::ptrdiff_t best,
                double best_logit) {
  const auto logits = reference_logits(file, forty_ids());
  REQUIRE(logits);
  REQUIRE(logits->size() == 40);
  const std::vector<double>& last = logits->back();
  REQUIRE(last.size() == 272);
  CHECK(last[0] == Approx(at_0_1_5[0]).margin(0.01));
  CHECK(last[1] == Approx(at_0_1_5[1]).margin(0.01));
  CHECK(last[5] == Approx(at_0_1_5[2]).margin(0.01));
  CHECK(std::ranges::max_element(last) - last.begin() == best);
  CHECK(last[static_cast<std::size_t>(best)] == Approx(best_logit).margin(0.01));
}

TEST_CASE("the reference agrees with llama.cpp on a llama model with a tied head") {
  check_last(open_tiny({}), {-0.0978864, 1.37389, -1.46978}, 249, 7.99493);
}

TEST_CASE("the reference agrees with llama.cpp on a qwen2 model with biases and its own head") {
  check_last(open_tiny(qwen2()), {-1.85793, -0.928675, 0.716506}, 186, 7.68109);
}

TEST_CASE("a position doesn't see those after it") {
  const GgufFile file = open_tiny(qwen2());
  const auto all = reference_logits(file, forty_ids());
  auto ids = forty_ids();
  ids.resize(17);
  const auto some = reference_logits(file, ids);
  REQUIRE(all);
  REQUIRE(some);
  for (std::size_t i = 0; i < ids.size(); ++i) CHECK(some->at(i) == all->at(i));
}

TEST_CASE("a window hides what is further back, except from layers without one") {
  TinyModelOptions options;
  options.architecture = "gemma3";
  options.layers = 1;
  options.window = 8;
  options.window_pattern = 6;  // the one layer has the window
  const auto last_of = [&](std::vector<TokenId> ids) {
    auto logits = reference_logits(open_tiny(options), ids);
    REQUIRE(logits);
    return logits->back();
  };
  auto ids = forty_ids();
  const auto expected = last_of(ids);
  ids[31] = 7;  // 8 before the last: just outside
  CHECK(last_of(ids) == expected);
  ids[32] = 7;  // inside
  CHECK(last_of(ids) != expected);
  options.window_pattern = 1;
  const auto all = last_of(ids);
  ids[0] = 7;
  CHECK(last_of(ids) != all);
}

TEST_CASE("an id outside the vocabulary and another architecture are refused") {
  const GgufFile file = open_tiny({});
  CHECK(reference_logits(file, std::vector<TokenId>{272}).error().code ==
        ErrorCode::kInvalidArgument);
  CHECK(reference_logits(file, std::vector<TokenId>{-1}).error().code ==
        ErrorCode::kInvalidArgument);
  TinyModelOptions other;
  other.architecture = "gemma2";
  CHECK(reference_logits(open_tiny(other), std::vector<TokenId>{1}).error().code ==
        ErrorCode::kUnsupported);
}

TEST_CASE("a tiny model's types are those asked for, and its weights follow the seed") {
  TinyModelOptions options;
  options.width = 256;
  options.ffn_width = 512;
  options.type = inference::TensorType::kQ4_K;
  options.types = {{"ffn_down", inference::TensorType::kQ6_K},
                   {"blk.1.ffn_down", inference::TensorType::kQ5_0},
                   {"token_embd", inference::TensorType::kQ8_0}};
  const GgufFile file = open_tiny(options);
  CHECK(file.tensor("blk.0.attn_q.weight")->type == inference::TensorType::kQ4_K);
  CHECK(file.tensor("blk.0.ffn_down.weight")->type == inference::TensorType::kQ6_K);
  CHECK(file.tensor("blk.1.ffn_down.weight")->type == inference::TensorType::kQ5_0);
  CHECK(file.tensor("token_embd.weight")->type == inference::TensorType::kQ8_0);
  CHECK(file.tensor("output_norm.weight")->type == inference::TensorType::kF32);
  CHECK(file.tensor("output.weight") == nullptr);
  CHECK(tiny_model(options).build().bytes == tiny_model(options).build().bytes);
  auto reseeded = options;
  reseeded.seed = 2;
  CHECK(tiny_model(options).build().bytes != tiny_model(reseeded).build().bytes);
}

}  // namespace
}  // namespace weft::fakes
