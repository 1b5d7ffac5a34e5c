// Adapters in GGUF, as llama.cpp's converter writes and its runtime reads them: docs of its
// convert_lora_to_gguf.py and llama-adapter.cpp, 2024-2026.

#include <charconv>
#include <optional>
#include <string_view>

#include "inference/adapter/adapter_reader.h"
#include "inference/gguf.h"

namespace weft::inference {
namespace {

struct Place {
  std::size_t layer;
  Linear linear;
  bool is_a;
};

/// Of "blk.3.attn_q.weight.lora_a"; nothing for other names.
std::optional<Place> place_of(std::string_view name) {
  Place place{};
  place.is_a = name.ends_with(".lora_a");
  if (!place.is_a && !name.ends_with(".lora_b")) return std::nullopt;
  name.remove_suffix(std::string_view(".lora_a").size());
  constexpr std::string_view kBlock = "blk.";
  constexpr std::string_view kWeight = ".weight";
  if (!name.starts_with(kBlock) || !name.ends_with(kWeight)) return std::nullopt;
  name.remove_prefix(kBlock.size());
  name.remove_suffix(kWeight.size());
  const char* const end = name.data() + name.size();
  const auto [digits_end, error] = std::from_chars(name.data(), end, place.layer);
  if (error != std::errc() || digits_end == end || *digits_end != '.') return std::nullopt;
  const std::string_view linear(digits_end + 1, static_cast<std::size_t>(end - digits_end - 1));
  for (std::size_t i = 0; i < kLinears; ++i) {
    place.linear = static_cast<Linear>(i);
    if (linear == to_string(place.linear)) return place;
  }
  return std::nullopt;
}

Result<void> check_kind(const GgufFile& file, const ModelConfig& config) {
  const auto value = [&](std::string_view key) {
    return std::string(file.has(key) ? file.string(key).value_or("?") : "");
  };
  const std::string type = value("general.type");
  const std::string kind = value("adapter.type");
  if (type != "adapter" || kind != "lora") {
    return Error{ErrorCode::kUnsupported, "general.type is '" + type + "' and adapter.type '" +
                                              kind +
                                              "'; a LoRA adapter's are 'adapter' and 'lora'"};
  }
  if (file.has("adapter.alora.invocation_tokens")) {
    return Error{ErrorCode::kUnsupported,
                 "it is an activated LoRA (adapter.alora.invocation_tokens), which starts at a "
                 "token of the prompt; plain LoRA runs here"};
  }
  const std::string architecture = value("general.architecture");
  if (architecture != to_string(config.architecture)) {
    return Error{ErrorCode::kUnsupported, "it is made for architecture '" + architecture +
                                              "'; the model's is '" +
                                              std::string(to_string(config.architecture)) + "'"};
  }
  return {};
}

}  // namespace

Result<Adapter> read_gguf_adapter(const std::filesystem::path& path, const ModelConfig& config) {
  WEFT_TRY(file, GgufFile::open(path));
  WEFT_TRY_VOID(check_kind(file, config));
  double alpha = 0;
  if (file.has("adapter.lora.alpha")) {
    WEFT_TRY(value, file.number("adapter.lora.alpha"));
    alpha = value;
  }
  if (!std::isfinite(alpha)) {
    return Error{ErrorCode::kCorrupt, "adapter.lora.alpha isn't finite"};
  }
  ModuleTensors<TensorInfo> tensors;
  for (const TensorInfo& tensor : file.tensors()) {
    const auto place = place_of(tensor.name);
    if (!place) {
      return Error{ErrorCode::kUnsupported,
                   "tensor " + tensor.name +
                       " isn't of a linear layer that an adapter can change here: those are "
                       "attn_q, attn_k, attn_v, attn_output, ffn_gate, ffn_up and ffn_down"};
    }
    WEFT_TRY_VOID(add_half(tensors, place->layer, place->linear, place->is_a, tensor, config));
  }
  Adapter adapter;
  adapter.scale_rule = alpha == 0 ? "1" : "alpha / rank";
  for (const auto& [place, halves] : tensors) {
    WEFT_TRY(change, read_low_rank(file, place, halves, config));
    // No alpha, or one of 0, is llama.cpp's way to say that B holds the scale already.
    const double scale = alpha == 0 ? 1 : alpha / static_cast<double>(change.rank);
    adapter.modules.push_back({std::move(change), static_cast<float>(scale)});
  }
  return adapter;
}

}  // namespace weft::inference
