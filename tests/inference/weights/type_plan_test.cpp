#include "inference/weights/type_plan.h"

#include <catch2/catch.hpp>
#include <map>

namespace weft::inference {
namespace {

/// A model of eight layers whose rows have 512 values, save one matrix of 576.
std::vector<TensorInfo> model(bool has_output) {
  std::vector<TensorInfo> tensors;
  const auto add = [&](const std::string& name, std::vector<std::uint64_t> dims) {
    tensors.push_back({name, TensorType::kF32, std::move(dims), 0, 0});
  };
  add("token_embd.weight", {512, 1000});
  for (int layer = 0; layer < 8; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    add(prefix + "attn_norm.weight", {512});
    add(prefix + "attn_v.weight", {512, 128});
    add(prefix + "attn_v.bias", {128});
    add(prefix + "ffn_down.weight", {576, 512});
  }
  if (has_output) add("output.weight", {512, 1000});
  return tensors;
}

std::map<std::string, TensorType> planned(const TypePlanOptions& options, bool has_output = false) {
  const auto tensors = model(has_output);
  const auto types = plan_types(tensors, options);
  REQUIRE(types);
  std::map<std::string, TensorType> by_name;
  for (std::size_t i = 0; i < tensors.size(); ++i) by_name[tensors[i].name] = (*types)[i];
  return by_name;
}

TypePlanOptions as(std::string_view name) {
  return {.quantization = quantization_named(name).value()};
}

TEST_CASE("norms and biases stay, the output gets more bits, odd rows smaller blocks") {
  auto types = planned(as("Q4_K"));
  CHECK(types["blk.0.attn_norm.weight"] == TensorType::kF32);
  CHECK(types["blk.0.attn_v.bias"] == TensorType::kF32);
  CHECK(types["blk.0.attn_v.weight"] == TensorType::kQ4_K);
  CHECK(types["blk.0.ffn_down.weight"] == TensorType::kQ5_0);
  CHECK(types["token_embd.weight"] == TensorType::kQ6_K);  // it is the output too
  types = planned(as("q4_0"), true);
  CHECK(types["token_embd.weight"] == TensorType::kQ4_0);
  CHECK(types["output.weight"] == TensorType::kQ6_K);
  types = planned(as("q8_0"), true);
  CHECK(types["output.weight"] == TensorType::kQ8_0);
  CHECK(planned(as("bf16"))["token_embd.weight"] == TensorType::kBF16);
}

TEST_CASE("a mixed recipe favours the outer layers and every third between") {
  auto types = planned(as("q4_k_m"));
  const auto value = [&](int layer) {
    return types["blk." + std::to_string(layer) + ".attn_v.weight"];
  };
  for (const int layer : {0, 3, 6, 7}) CHECK(value(layer) == TensorType::kQ6_K);
  for (const int layer : {1, 2, 4, 5}) CHECK(value(layer) == TensorType::kQ4_K);
  CHECK(types["blk.0.ffn_down.weight"] == TensorType::kQ8_0);
  CHECK(types["blk.1.ffn_down.weight"] == TensorType::kQ5_0);
}

TEST_CASE("what the user says goes first") {
  TypePlanOptions options = as("q4_k");
  options.output = TensorType::kF16;
  options.rules = {{"blk.1.*_v.w", TensorType::kQ8_0}, {"attn_v.weight", TensorType::kQ5_K}};
  auto types = planned(options);
  CHECK(types["token_embd.weight"] == TensorType::kF16);
  CHECK(types["blk.1.attn_v.weight"] == TensorType::kQ8_0);
  CHECK(types["blk.2.attn_v.weight"] == TensorType::kQ5_K);
  options.embedding = TensorType::kQ8_0;
  types = planned(options, true);
  CHECK(types["token_embd.weight"] == TensorType::kQ8_0);
  CHECK(types["output.weight"] == TensorType::kF16);
  CHECK(planned({})["token_embd.weight"] == TensorType::kF32);  // nothing said: as it is
}

TEST_CASE("rules that can't be followed are refused by name") {
  const auto refusal = [](const TypeRule& rule) {
    TypePlanOptions options = as("q8_0");
    options.rules = {rule};
    return plan_types(model(false), options).error().message;
  };
  CHECK_THAT(refusal({"attn_x", TensorType::kQ8_0}), Catch::Contains("\"attn_x\""));
  CHECK_THAT(refusal({"ffn_down", TensorType::kQ6_K}),
             Catch::Contains("blk.0.ffn_down.weight") && Catch::Contains("576"));
  CHECK_THAT(refusal({"attn_norm", TensorType::kQ8_0}), Catch::Contains("no matrix"));
  CHECK_THAT(quantization_named("q3").error().message, Catch::Contains("q4_k_m"));
  CHECK_THAT(tensor_type_named("q4_k_m").error().message, Catch::Contains("q4_k"));
}

}  // namespace
}  // namespace weft::inference
