#include "inference/adapter/adapter.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <utility>

#include "tests/fakes/temp_dir.h"
#include "tests/fakes/tiny_adapter.h"

namespace weft::inference {
namespace {

using Catch::Matchers::Contains;

constexpr float kAlpha = 8;

ModelConfig config_of(Architecture architecture) {
  return {.architecture = architecture,
          .layers = 2,
          .width = 32,
          .ffn_width = 48,
          .heads = 4,
          .kv_heads = 2,
          .head_width = 16,
          .rope_pairing = architecture == Architecture::kLlama ? RopePairing::kNeighbours
                                                               : RopePairing::kHalves};
}

void check_same(const Adapter& read, const Adapter& written) {
  REQUIRE(read.modules.size() == written.modules.size());
  for (std::size_t i = 0; i < read.modules.size(); ++i) {
    INFO("module " << i);
    const auto& [change, scale] = read.modules[i];
    const auto& [expected, expected_scale] = written.modules[i];
    CHECK(change.layer == expected.layer);
    CHECK(change.linear == expected.linear);
    CHECK(change.rank == expected.rank);
    CHECK(change.a == expected.a);
    CHECK(change.b == expected.b);
    CHECK(scale == expected_scale);
  }
}

/// The message of the error that reading a GGUF file gives.
std::string refusal(const fakes::GgufWriter& writer, const ModelConfig& config,
                    ErrorCode code = ErrorCode::kCorrupt) {
  const test::TempDir folder;
  fakes::write_file(folder / "a.gguf", writer.build().bytes);
  const auto read = read_adapter(folder / "a.gguf", config);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == code);
  return read.error().message;
}

TEST_CASE("GGUF files and PEFT folders of one adapter read alike, for every architecture") {
  for (const auto architecture :
       {Architecture::kLlama, Architecture::kQwen2, Architecture::kQwen3, Architecture::kGemma3}) {
    const ModelConfig config = config_of(architecture);
    const Adapter written = fakes::tiny_adapter(config, {.alpha = kAlpha});
    const test::TempDir folder;
    fakes::write_file(folder / "a.gguf",
                      fakes::adapter_gguf(written, config, kAlpha).build().bytes);
    fakes::write_peft_folder(folder / "peft", written, config, R"({"r": 4, "lora_alpha": 8})");
    const auto gguf = read_adapter(folder / "a.gguf", config);
    REQUIRE(gguf);
    check_same(*gguf, written);
    CHECK(gguf->bases.empty());
    const auto peft = read_adapter(folder / "peft", config);
    REQUIRE(peft);
    check_same(*peft, written);
    CHECK(peft->digest == gguf->digest);
    const auto inside = read_adapter(folder / "peft" / "adapter_model.safetensors", config);
    REQUIRE(inside);
    CHECK(inside->digest == gguf->digest);
  }
}

TEST_CASE("rows of q and k that PEFT has in halves stand beside each other in llama's order") {
  ModelConfig config = config_of(Architecture::kLlama);
  config.layers = 1;
  config.width = 8;
  config.heads = config.kv_heads = 2;
  config.head_width = 4;
  fakes::SafetensorsWriter writer;
  const std::string name = "base_model.model.model.layers.0.self_attn.";
  const std::vector<float> a(8, 1), b = {0, 1, 2, 3, 4, 5, 6, 7};
  for (const char* linear : {"q_proj", "v_proj"}) {
    writer.floats(name + linear + ".lora_A.default.weight", {1, 8}, a);
    writer.floats(name + linear + ".lora_B.default.weight", {8, 1}, b);
  }
  const test::TempDir folder;
  const std::string settings = R"({"r": 1, "lora_alpha": 1})";
  fakes::write_file(folder / "adapter_config.json", std::as_bytes(std::span(settings)));
  fakes::write_file(folder / "adapter_model.safetensors", writer.build());
  const auto read = read_adapter(folder.path(), config);
  REQUIRE(read);
  CHECK(read->modules[0].change.b == std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7});
  CHECK(read->modules[1].change.b == b);
}

TEST_CASE("each module has its own rank, alpha and rule of scale") {
  const ModelConfig config = config_of(Architecture::kQwen2);
  const Adapter written = fakes::tiny_adapter(
      config, {.linears = {Linear::kQ, Linear::kDown}, .rank = 4, .rank_step = 5});
  const auto scales = [&](const std::string& settings) {
    const test::TempDir folder;
    fakes::write_peft_folder(folder.path(), written, config, settings);
    const auto read = read_adapter(folder.path(), config);
    REQUIRE(read);
    std::vector<float> found;
    for (const AdapterModule& module : read->modules) found.push_back(module.scale);
    return found;
  };
  // Of layer 0's q and down, then of layer 1's, whose rank is 9.
  CHECK(scales(R"({"r": 4, "lora_alpha": 6, "rank_pattern": {"layers.1.self_attn.q_proj": 9,
                   "^model\\.layers\\.1\\.mlp\\.down_proj": 9}})") ==
        std::vector<float>{1.5F, 1.5F, 6.0F / 9, 6.0F / 9});
  CHECK(scales(R"({"r": 9, "lora_alpha": 6, "use_rslora": true,
                   "rank_pattern": {"0.self_attn.q_proj": 4, "layers.0.mlp.down_proj": 4},
                   "alpha_pattern": {"q_proj": 3}})") == std::vector<float>{1.5F, 3, 1, 2});

  const test::TempDir folder;
  fakes::write_peft_folder(folder.path(), written, config, R"({"r": 4, "lora_alpha": 6})");
  const auto read = read_adapter(folder.path(), config);
  REQUIRE_FALSE(read);
  CHECK_THAT(read.error().message, Contains("model.layers.1.self_attn.q_proj has rank 9"));

  // GGUF has one alpha; 0 says that B holds the scale.
  fakes::write_file(folder / "a.gguf", fakes::adapter_gguf(written, config, 0).build().bytes);
  CHECK(read_adapter(folder / "a.gguf", config)->modules[0].scale == 1);
}

TEST_CASE("what PEFT can do besides is refused by name") {
  const ModelConfig config = config_of(Architecture::kLlama);
  const Adapter written = fakes::tiny_adapter(config, {.linears = {Linear::kV}});
  const std::pair<const char*, const char*> refused[] = {
      {R"("peft_type": "IA3")", "IA3"},
      {R"("use_dora": true)", "use_dora"},
      {R"("fan_in_fan_out": true)", "fan_in_fan_out"},
      {R"("bias": "lora_only")", "lora_only"},
      {R"("modules_to_save": ["lm_head"])", "modules_to_save\" is [\"lm_head\"]"},
      {R"("layer_replication": [[0, 4], [2, 5]])", "layer_replication"},
      {R"("alpha_pattern": {".*_proj": 3})", ".*_proj"},
      {R"("rank_pattern": [1])", "rank_pattern"},
      {R"("use_rslora": "yes")", "use_rslora"}};
  for (const auto& [setting, named] : refused) {
    const test::TempDir folder;
    fakes::write_peft_folder(folder.path(), written, config,
                             R"({"r": 4, "lora_alpha": 8, )" + std::string(setting) + "}");
    const auto read = read_adapter(folder.path(), config);
    REQUIRE_FALSE(read);
    CHECK_THAT(read.error().message, Contains(named));
  }
  for (const auto& [settings, named] : {std::pair{R"({"lora_alpha": 8})", "\"r\" is missing"},
                                        {"[]", "adapter_config.json isn't a JSON object"},
                                        {R"({"r": 4, "lora_alpha": 1e300})", "scale of layer 0"}}) {
    const test::TempDir folder;
    fakes::write_peft_folder(folder.path(), written, config, settings);
    const auto read = read_adapter(folder.path(), config);
    REQUIRE_FALSE(read);
    CHECK_THAT(read.error().message, Contains(named));
  }
  const auto missing = read_adapter("/no/such/adapter", config);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
}

TEST_CASE("tensors that are no linear layer's, halves alone and wrong shapes are named") {
  const ModelConfig config = config_of(Architecture::kLlama);
  const Adapter none;
  const auto data = [](std::size_t values, float value = 0) {
    fakes::Bytes bytes;
    for (std::size_t i = 0; i < values; ++i) fakes::append(bytes, value);
    return bytes;
  };
  const auto with = [&](const std::vector<fakes::GgufWriter::Tensor>& tensors) {
    auto writer = fakes::adapter_gguf(none, config, 1);
    for (const auto& tensor : tensors) writer.tensor(tensor);
    return writer;
  };
  CHECK_THAT(refusal(with({}), config), Contains("changes no layer"));
  CHECK_THAT(refusal(with({{"token_embd.weight.lora_a", {4}, 0, data(4)}}), config,
                     ErrorCode::kUnsupported),
             Contains("token_embd.weight.lora_a"));
  CHECK_THAT(refusal(with({{"blk.0.attn_norm.weight", {32}, 0, data(32)}}), config,
                     ErrorCode::kUnsupported),
             Contains("blk.0.attn_norm.weight"));
  const std::string q = "blk.0.attn_q.weight.lora_";
  CHECK_THAT(refusal(with({{q + "a", {32, 2}, 0, data(64)}}), config),
             Contains(q + "a is half a module"));
  CHECK_THAT(refusal(with({{"blk.2.attn_q.weight.lora_a", {32, 2}, 0, data(64)}}), config),
             Contains("of layer 2; the model has 2"));
  CHECK_THAT(
      refusal(with({{q + "a", {31, 2}, 0, data(62)}, {q + "b", {2, 64}, 0, data(128)}}), config),
      Contains(q + "a has the shape (2, 31)"));
  CHECK_THAT(
      refusal(with({{q + "a", {32, 2}, 0, data(64)}, {q + "b", {3, 64}, 0, data(192)}}), config),
      Contains(q + "b has the shape (64, 3); the model calls for (64, 2)"));
  CHECK_THAT(refusal(with({{q + "a", {32, 1025}, 0, data(32 * 1025)},
                           {q + "b", {1025, 64}, 0, data(64 * 1025)}}),
                     config, ErrorCode::kResourceExhausted),
             Contains("rank 1025"));
  CHECK_THAT(refusal(with({{q + "a", {32, 1}, 0, data(32, std::nanf(""))},
                           {q + "b", {1, 64}, 0, data(64)}}),
                     config),
             Contains(q + "a holds a value that isn't finite"));

  const ModelConfig qwen = config_of(Architecture::kQwen2);
  CHECK_THAT(refusal(fakes::adapter_gguf(none, qwen, 1), config, ErrorCode::kUnsupported),
             Contains("'qwen2'; the model's is 'llama'"));
  fakes::GgufWriter model;
  model.string("general.type", "model");
  CHECK_THAT(refusal(model, config, ErrorCode::kUnsupported), Contains("general.type is 'model'"));
}

}  // namespace
}  // namespace weft::inference
