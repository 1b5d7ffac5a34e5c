#include "tests/fakes/tiny_adapter.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <utility>

#include "inference/gguf.h"

namespace weft::fakes {
namespace {

using inference::Adapter;
using inference::AdapterModule;
using inference::Linear;
using inference::LowRank;
using inference::ModelConfig;

const char* peft_name(Linear linear) {
  switch (linear) {
    case Linear::kQ:
      return "self_attn.q_proj";
    case Linear::kK:
      return "self_attn.k_proj";
    case Linear::kV:
      return "self_attn.v_proj";
    case Linear::kAttentionOutput:
      return "self_attn.o_proj";
    case Linear::kGate:
      return "mlp.gate_proj";
    case Linear::kUp:
      return "mlp.up_proj";
    case Linear::kDown:
      return "mlp.down_proj";
  }
  return "?";
}

std::string gguf_name(const LowRank& change) {
  return "blk." + std::to_string(change.layer) + "." + std::string(to_string(change.linear)) +
         ".weight";
}

// The rows of q and k as Transformers has them: the even rows of each head in GGUF's order, then
// the odd ones.
std::vector<float> peft_order(const LowRank& change, const ModelConfig& config) {
  const bool is_rotated = change.linear == Linear::kQ || change.linear == Linear::kK;
  if (!is_rotated || config.rope_pairing != inference::RopePairing::kNeighbours) return change.b;
  std::vector<float> rows;
  const std::size_t heads = change.b.size() / change.rank / config.head_width;
  for (std::size_t head = 0; head < heads; ++head) {
    for (const std::size_t parity : {0UL, 1UL}) {
      for (std::size_t i = parity; i < config.head_width; i += 2) {
        const auto row = change.b.begin() +
                         static_cast<std::ptrdiff_t>((head * config.head_width + i) * change.rank);
        rows.insert(rows.end(), row, row + static_cast<std::ptrdiff_t>(change.rank));
      }
    }
  }
  return rows;
}

Bytes bytes_of(const std::vector<float>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

}  // namespace

Adapter tiny_adapter(const ModelConfig& config, const TinyAdapterOptions& options) {
  std::mt19937_64 random(options.seed);
  const auto values = [&](std::size_t count, float deviation) {
    std::vector<float> made(count);
    for (float& value : made) {
      const auto unit = static_cast<float>(random() >> 40) * 0x1p-24F;  // the same everywhere
      value = deviation * (unit * 2 - 1) * 1.7320508F;
    }
    return made;
  };
  Adapter adapter;
  adapter.source = "tiny";
  for (std::size_t layer = 0; layer < config.layers; ++layer) {
    for (const Linear linear : options.linears) {
      const auto shape = linear_shape(linear, config);
      const std::size_t rank = options.rank + layer * options.rank_step;
      const float a_deviation = 1 / std::sqrt(static_cast<float>(shape.columns));
      LowRank change{layer, linear, rank, values(rank * shape.columns, a_deviation),
                     values(shape.rows * rank, options.b_deviation)};
      adapter.modules.push_back({std::move(change), options.alpha / static_cast<float>(rank)});
    }
  }
  return adapter;
}

GgufWriter adapter_gguf(const Adapter& adapter, const ModelConfig& config, float alpha) {
  GgufWriter writer;
  writer.string("general.type", "adapter");
  writer.string("general.architecture", to_string(config.architecture));
  writer.string("adapter.type", "lora");
  writer.f32("adapter.lora.alpha", alpha);
  for (const AdapterModule& module : adapter.modules) {
    const LowRank& change = module.change;
    const std::string name = gguf_name(change);
    writer.tensor(
        {name + ".lora_a", {change.a.size() / change.rank, change.rank}, 0, bytes_of(change.a)});
    writer.tensor(
        {name + ".lora_b", {change.rank, change.b.size() / change.rank}, 0, bytes_of(change.b)});
  }
  return writer;
}

SafetensorsWriter adapter_safetensors(const Adapter& adapter, const ModelConfig& config) {
  SafetensorsWriter writer;
  for (const AdapterModule& module : adapter.modules) {
    const LowRank& change = module.change;
    const std::string name = "base_model.model.model.layers." + std::to_string(change.layer) + "." +
                             peft_name(change.linear);
    writer.floats(name + ".lora_A.weight", {change.rank, change.a.size() / change.rank}, change.a);
    writer.floats(name + ".lora_B.weight", {change.b.size() / change.rank, change.rank},
                  peft_order(change, config));
  }
  return writer;
}

void write_peft_folder(const std::filesystem::path& folder, const Adapter& adapter,
                       const ModelConfig& config, const std::string& settings) {
  std::filesystem::create_directories(folder);
  write_file(folder / "adapter_model.safetensors", adapter_safetensors(adapter, config).build());
  write_file(folder / "adapter_config.json", std::as_bytes(std::span(settings)));
}

Bytes merged(const std::filesystem::path& model, const Adapter& adapter, double factor) {
  const auto file = inference::GgufFile::open(model).value();
  std::ifstream stream(model, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const auto all = std::as_bytes(std::span(text));
  Bytes bytes(all.begin(), all.end());
  for (const auto& [change, scale] : adapter.modules) {
    const inference::TensorInfo* tensor = file.tensor(gguf_name(change));
    if (tensor == nullptr || tensor->type != inference::TensorType::kF32) {
      throw std::runtime_error("no F32 tensor " + gguf_name(change));
    }
    const std::size_t columns = tensor->row_length();
    for (std::size_t row = 0; row < tensor->rows(); ++row) {
      for (std::size_t column = 0; column < columns; ++column) {
        double product = 0;
        for (std::size_t i = 0; i < change.rank; ++i) {
          product += static_cast<double>(change.b[row * change.rank + i]) *
                     static_cast<double>(change.a[i * columns + column]);
        }
        std::byte* at = bytes.data() + tensor->offset + (row * columns + column) * sizeof(float);
        float weight = 0;
        std::memcpy(&weight, at, sizeof weight);
        weight = static_cast<float>(static_cast<double>(weight) +
                                    factor * static_cast<double>(scale) * product);
        std::memcpy(at, &weight, sizeof weight);
      }
    }
  }
  return bytes;
}

}  // namespace weft::fakes
