#include "inference/model.h"

#include <catch2/catch.hpp>
#include <limits>
#include <string>
#include <vector>

#include "inference/session.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

using fakes::Bytes;
using fakes::TinyModelOptions;

Bytes tiny_bytes(const TinyModelOptions& options = {}) {
  return fakes::tiny_model(options).build().bytes;
}

std::string refusal(const Bytes& bytes, ErrorCode code) {
  const auto model = TemporaryModel(bytes).try_load();
  REQUIRE_FALSE(model);
  INFO(model.error().message);
  CHECK(model.error().code == code);
  return model.error().message;
}

bool names(const std::string& message, std::string_view what) {
  return message.find(what) != std::string::npos;
}

/// Loading with the key's value replaced is refused with `code`, naming `named`.
template <typename T>
void check_refused(std::string_view key, T value, ErrorCode code, std::string_view named) {
  INFO(key << " = " << value);
  Bytes bytes = tiny_bytes();
  set_value(bytes, key, value);
  const std::string message = refusal(bytes, code);
  CHECK(names(message, named));
}

TEST_CASE("a model's configuration is that of its file") {
  TinyModelOptions options;
  options.architecture = "qwen2";
  options.splitter = "qwen2";
  const auto model = tiny(options);
  const ModelConfig& config = model->config();
  CHECK(config.architecture == Architecture::kQwen2);
  CHECK(config.layers == 2);
  CHECK(config.width == 64);
  CHECK(config.ffn_width == 128);
  CHECK(config.heads == 4);
  CHECK(config.kv_heads == 2);
  CHECK(config.head_width == 16);
  CHECK(config.rope_width == 16);
  CHECK(config.vocabulary == 272);
  CHECK(config.context_length == 512);
  CHECK(config.ropes == std::vector<RopeConfig>{{.base = 10000, .position_scale = 1}});
  CHECK(config.rope_pairing == RopePairing::kHalves);
  CHECK(config.activation == Activation::kSilu);
  CHECK(config.embedding_scale == 1);
  CHECK(config.attention_scale == 0.25F);
  CHECK(config.attention == std::vector<LayerAttention>(2));
  CHECK(model->tokenizer().size() == 272);
  CHECK(model->template_warning() == "the file has no chat template");
  CHECK(model->weights().size_bytes() > 0);
}

TEST_CASE("gemma3 has windows in all but every sixth layer, which turn in their own way") {
  TinyModelOptions options;
  options.architecture = "gemma3";
  options.layers = 7;
  options.head_width = 64;
  options.rope_base = 1e6F;
  options.window_pattern = 0;  // the file doesn't say
  const auto model = tiny(options);
  const ModelConfig& config = model->config();
  CHECK(config.architecture == Architecture::kGemma3);
  CHECK(config.head_width == 64);
  CHECK(config.attention_scale == 0.125F);
  CHECK(config.embedding_scale == 8);
  CHECK(config.activation == Activation::kGeluTanh);
  CHECK(config.ropes == std::vector<RopeConfig>{{.base = 1e6F}, {.base = 10000}});
  const LayerAttention local{.window = 24, .rope = 1};
  CHECK(config.attention ==
        std::vector<LayerAttention>{local, local, local, local, local, {}, local});

  options.window = 0;
  const auto without = tiny(options);
  CHECK(without->config().attention == std::vector<LayerAttention>(7));
  CHECK(without->config().ropes == std::vector<RopeConfig>{{.base = 1e6F}});
}

TEST_CASE("gemma3's keys are checked, and its linear scaling is that of the global layers") {
  TinyModelOptions options;
  options.architecture = "gemma3";
  const auto refused = [&](const char* key, std::uint32_t value, ErrorCode code) {
    Bytes bytes = tiny_bytes(options);
    set_value(bytes, key, value);
    INFO(key << " = " << value);
    CHECK(names(refusal(bytes, code), key));
  };
  refused("gemma3.attention.sliding_window", 0, ErrorCode::kCorrupt);
  refused("gemma3.attention.sliding_window_pattern", 0, ErrorCode::kCorrupt);
  fakes::GgufWriter writer = fakes::tiny_model(options);
  writer.f32("gemma3.final_logit_softcapping", 30);
  CHECK(names(refusal(writer.build().bytes, ErrorCode::kUnsupported), "softcapping"));
  writer = fakes::tiny_model(options);
  writer.string("gemma3.rope.scaling.type", "linear");
  writer.f32("gemma3.rope.scaling.factor", 8);
  writer.f32("gemma3.rope.freq_base_swa", 5000);
  const auto model = TemporaryModel(writer.build().bytes).load();
  CHECK(model->config().ropes == std::vector<RopeConfig>{{.base = 10000, .position_scale = 0.125F},
                                                         {.base = 5000, .position_scale = 1}});
}

TEST_CASE("the norms of qwen3 and gemma3 are needed, and unknown to others") {
  for (const char* name : {"blk.1.attn_q_nor", "blk.0.post_ffw_nor"}) {
    TinyModelOptions options;
    options.architecture = "gemma3";
    Bytes bytes = tiny_bytes(options);
    bytes[after(bytes, name)] = std::byte{'x'};
    CHECK(names(refusal(bytes, ErrorCode::kCorrupt), std::string(name) + "m.weight is missing"));
  }
  fakes::GgufWriter writer = fakes::tiny_model({});
  writer.tensor({"blk.0.attn_q_norm.weight", {16}, 0, Bytes(64)});
  CHECK(names(refusal(writer.build().bytes, ErrorCode::kUnsupported), "attn_q_norm"));
}

TEST_CASE("hyperparameters outside their range are refused by key") {
  const auto corrupt = ErrorCode::kCorrupt;
  for (const std::uint32_t layers : {0U, 1025U, 0xFFFFFFFFU}) {
    check_refused("llama.block_count", layers, corrupt, "llama.block_count");
  }
  check_refused("llama.block_count", 3U, corrupt, "blk.2.attn_norm.weight");
  check_refused("llama.block_count", 1U, ErrorCode::kUnsupported, "blk.1.");
  for (const std::uint32_t heads : {0U, 1025U, 0x80000000U}) {
    check_refused("llama.attention.head_count", heads, corrupt, "head_count");
  }
  check_refused("llama.attention.head_count", 3U, corrupt, "head_count");  // kv 2 doesn't divide
  check_refused("llama.attention.head_count_kv", 0U, corrupt, "head_count_kv");
  check_refused("llama.attention.head_count_kv", 3U, corrupt, "head_count_kv");
  check_refused("llama.attention.head_count_kv", 4U, corrupt, "attn_k");
  check_refused("llama.attention.head_count", 8U, ErrorCode::kUnsupported, "heads of 8");
  for (const std::uint32_t width : {0U, 0xFFFFFFFFU}) {
    check_refused("llama.embedding_length", width, corrupt, "embedding_length");
  }
  check_refused("llama.embedding_length", 128U, corrupt, "token_embd");
  check_refused("llama.embedding_length", 66U, corrupt, "embedding_length");  // 4 heads
  check_refused("llama.feed_forward_length", 0U, corrupt, "feed_forward_length");
  check_refused("llama.feed_forward_length", 64U, corrupt, "ffn_gate");
  check_refused("llama.context_length", 0U, corrupt, "context_length");
  check_refused("llama.context_length", 0xFFFFFFFFU, corrupt, "context_length");
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float value : {0.0F, -1.0F, nan, infinity}) {
    check_refused("llama.attention.layer_norm_rms_epsilon", value, corrupt, "rms_epsilon");
    check_refused("llama.rope.freq_base", value, corrupt, "freq_base");
  }
}

TEST_CASE("optional hyperparameters are checked where they are given") {
  const auto with_u32 = [](const char* key, std::uint32_t value, ErrorCode code) {
    fakes::GgufWriter writer = fakes::tiny_model({});
    writer.u32(key, value);
    INFO(key << " = " << value);
    CHECK(names(refusal(writer.build().bytes, code), std::string(key).substr(6)));
  };
  with_u32("llama.rope.dimension_count", 7, ErrorCode::kCorrupt);
  with_u32("llama.rope.dimension_count", 18, ErrorCode::kCorrupt);
  with_u32("llama.rope.dimension_count", 0, ErrorCode::kCorrupt);
  with_u32("llama.vocab_size", 271, ErrorCode::kCorrupt);
  with_u32("llama.attention.value_length", 32, ErrorCode::kUnsupported);
  with_u32("llama.attention.key_length", 0, ErrorCode::kCorrupt);
  with_u32("llama.expert_count", 8, ErrorCode::kUnsupported);

  fakes::GgufWriter writer = fakes::tiny_model({});
  writer.u32("llama.attention.key_length", 32);  // the tensors say 16
  CHECK(names(refusal(writer.build().bytes, ErrorCode::kCorrupt), "attn_q"));
  writer = fakes::tiny_model({});
  writer.string("llama.rope.scaling.type", "yarn");
  CHECK(names(refusal(writer.build().bytes, ErrorCode::kUnsupported), "yarn"));
  writer = fakes::tiny_model({});
  writer.string("llama.rope.scaling.type", "linear");
  writer.f32("llama.rope.scaling.factor", 0);
  CHECK(names(refusal(writer.build().bytes, ErrorCode::kCorrupt), "scaling.factor"));
}

TEST_CASE("another architecture is refused by name") {
  Bytes bytes = tiny_bytes();
  constexpr std::size_t kTypeAndLengthBytes = 12;
  std::memcpy(bytes.data() + after(bytes, "general.architecture") + kTypeAndLengthBytes, "mamba",
              5);
  CHECK(names(refusal(bytes, ErrorCode::kUnsupported), "mamba"));
}

TEST_CASE("missing, misshapen and unknown tensors are refused by name") {
  Bytes bytes = tiny_bytes();
  bytes[after(bytes, "blk.1.ffn_u")] = std::byte{'q'};
  CHECK(names(refusal(bytes, ErrorCode::kCorrupt), "blk.1.ffn_up.weight is missing"));

  bytes = tiny_bytes();
  const std::size_t dims = after(bytes, "blk.0.ffn_up.weight") + 4;  // past their count
  const std::uint64_t swapped[] = {128, 64};
  std::memcpy(bytes.data() + dims, swapped, sizeof swapped);
  CHECK(names(refusal(bytes, ErrorCode::kCorrupt), "blk.0.ffn_up.weight has the shape [128, 64]"));

  for (const char* name : {"blk.0.attn_qkv.weight", "blk.0.attn_sinks.weight"}) {
    fakes::GgufWriter writer = fakes::tiny_model({});
    writer.tensor({name, {16}, 0, Bytes(64)});
    CHECK(names(refusal(writer.build().bytes, ErrorCode::kUnsupported), name));
  }
}

TEST_CASE("norms and biases that aren't numbers are refused") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  fakes::GgufWriter writer = fakes::tiny_model({});
  Bytes values;
  for (int i = 0; i < 64; ++i) fakes::append(values, i == 5 ? nan : 1.0F);
  writer.tensor({"blk.0.attn_q.bias", {64}, 0, values});
  CHECK(names(refusal(writer.build().bytes, ErrorCode::kCorrupt), "blk.0.attn_q.bias"));
}

TEST_CASE("loading reports its progress and can be cancelled") {
  const TemporaryModel file{TinyModelOptions{}};
  LoadOptions options;
  std::vector<std::uint64_t> seen;
  std::uint64_t all = 0;
  options.on_progress = [&](std::uint64_t done, std::uint64_t total) {
    seen.push_back(done);
    all = total;
  };
  REQUIRE(Model::load(file.path(), *cpu_backend(), options));
  CHECK(seen.size() == 15);  // 7 matrices a layer and the output
  CHECK(std::is_sorted(seen.begin(), seen.end()));
  CHECK(seen.back() == all);

  std::stop_source stop;
  stop.request_stop();
  options.stop = stop.get_token();
  CHECK(Model::load(file.path(), *cpu_backend(), options).error().code == ErrorCode::kCancelled);
}

/// The logits after a few tokens, with rope_freqs or metadata added by `extend`.
template <typename Extend>
std::vector<float> logits_with(const Extend& extend) {
  fakes::GgufWriter writer = fakes::tiny_model({});
  extend(writer);
  const auto model = TemporaryModel(writer.build().bytes).load();
  auto session = Session::open(model);
  const std::vector<TokenId> ids = {5, 100, 7, 42, 9};
  REQUIRE(session->append(ids));
  return {session->logits().begin(), session->logits().end()};
}

TEST_CASE("frequency factors of 2 turn half as fast, like linear scaling by 2") {
  const auto factors = [](float factor) {
    return [factor](fakes::GgufWriter& writer) {
      Bytes values;
      for (int i = 0; i < 8; ++i) fakes::append(values, factor);
      writer.tensor({"rope_freqs.weight", {8}, 0, values});
    };
  };
  const auto plain = logits_with([](fakes::GgufWriter&) {});
  CHECK(logits_with(factors(1)) == plain);
  const auto halved = logits_with(factors(2));
  CHECK(halved != plain);
  CHECK(logits_with([](fakes::GgufWriter& writer) {
          writer.string("llama.rope.scaling.type", "linear");
          writer.f32("llama.rope.scaling.factor", 2);
        }) == halved);
}

}  // namespace
}  // namespace weft::inference
