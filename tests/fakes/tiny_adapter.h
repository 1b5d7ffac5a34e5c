#pragma once
// Random adapters for tiny models: as GGUF files, as PEFT folders, and merged into the model's own
// float weights, which is what they are compared with.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "inference/adapter/adapter.h"
#include "inference/model_config.h"
#include "tests/fakes/gguf_writer.h"
#include "tests/fakes/safetensors_writer.h"

namespace weft::fakes {

struct TinyAdapterOptions {
  std::vector<inference::Linear> linears = {
      inference::Linear::kQ,    inference::Linear::kK,
      inference::Linear::kV,    inference::Linear::kAttentionOutput,
      inference::Linear::kGate, inference::Linear::kUp,
      inference::Linear::kDown};
  std::size_t rank = 4;  // of layer i: rank + i * rank_step
  std::size_t rank_step = 0;
  float alpha = 8;
  float b_deviation = 0.1F;  // 0: changes nothing
  std::uint64_t seed = 1;
};

/// Values as GGUF orders them, with scale alpha / rank; no bases, no digest.
inference::Adapter tiny_adapter(const inference::ModelConfig& config,
                                const TinyAdapterOptions& options = {});

/// To break or extend before build().
GgufWriter adapter_gguf(const inference::Adapter& adapter, const inference::ModelConfig& config,
                        float alpha);
SafetensorsWriter adapter_safetensors(const inference::Adapter& adapter,
                                      const inference::ModelConfig& config);

/// A folder of PEFT's with this adapter_config.json.
void write_peft_folder(const std::filesystem::path& folder, const inference::Adapter& adapter,
                       const inference::ModelConfig& config, const std::string& settings);

/// The model file `model`, of F32 matrices, with W + factor * scale * B A for each module.
Bytes merged(const std::filesystem::path& model, const inference::Adapter& adapter,
             double factor = 1);

}  // namespace weft::fakes
