// Adapters as the PEFT library saves them: adapter_config.json and adapter_model.safetensors in a
// folder, tensors named by the modules of the Transformers library. Sources: PEFT's LoraConfig and
// its developer guide on checkpoint formats, 2024-2026.

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include "inference/adapter/adapter_reader.h"
#include "inference/adapter/json_file.h"
#include "inference/safetensors.h"

namespace weft::inference {
namespace {

constexpr std::string_view kLinearNames[kLinears] = {
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj",    "mlp.up_proj",      "mlp.down_proj"};

/// Numbers of one kind: the default, and exceptions by the modules' names.
struct Numbers {
  double fallback = 0;
  std::vector<std::pair<std::string, double>> patterns;

  /// PEFT takes the first pattern that is the whole name or the end of it after a dot.
  double of(std::string_view module) const {
    for (const auto& [pattern, value] : patterns) {
      const bool is_whole = pattern.starts_with('^');
      const auto tail = std::string_view(pattern).substr(is_whole ? 1 : 0);
      if (module == tail) return value;
      if (!is_whole && module.ends_with(tail) && module[module.size() - tail.size() - 1] == '.') {
        return value;
      }
    }
    return fallback;
  }
};

struct Settings {
  Numbers rank, alpha;
  bool is_rank_stabilised = false;
  bool has_residual_base = false;
};

/// The patterns are regular expressions; read here are those that are plain names.
Result<Numbers> read_numbers(const JsonFile& file, const std::string& key,
                             const std::string& pattern_key) {
  WEFT_TRY(fallback, file.number(key));
  if (!fallback) return file.wrong(key, "is missing");
  WEFT_TRY(patterns, file.numbers(pattern_key));
  for (auto& [pattern, value] : patterns) {
    std::string plain;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (pattern.compare(i, 2, "\\.") == 0) ++i;
      if (std::string_view("\\*+?()[]{}|$").find(pattern[i]) != std::string_view::npos ||
          (pattern[i] == '^' && i != 0)) {
        return Error{ErrorCode::kUnsupported, pattern_key + ": '" + pattern +
                                                  "' is a regular expression; names of modules "
                                                  "are read here: write one entry a module"};
      }
      plain += pattern[i];
    }
    pattern = std::move(plain);
    if (!std::isfinite(value)) return file.wrong(pattern_key, "holds a number that isn't finite");
  }
  return Numbers{*fallback, std::move(patterns)};
}

/// Refuses by name what would change the result and isn't computed here.
Result<void> refuse_the_rest(const JsonFile& file) {
  const auto refuse = [](const std::string& what) {
    return Error{ErrorCode::kUnsupported, "adapter_config.json: " + what};
  };
  WEFT_TRY(type, file.string("peft_type", "LORA"));
  if (type != "LORA") return refuse("peft_type is '" + type + "'; LORA runs here");
  for (const char* key : {"fan_in_fan_out", "use_dora", "lora_bias", "use_qalora"}) {
    WEFT_TRY(is_on, file.boolean(key, false));
    if (is_on) return refuse("\"" + std::string(key) + "\" isn't computed here");
  }
  WEFT_TRY(bias, file.string("bias", "none"));
  if (bias != "none") return refuse("\"bias\" is '" + bias + "': trained biases aren't read here");
  for (const char* key : {"modules_to_save", "trainable_token_indices", "layer_replication",
                          "target_parameters", "alora_invocation_tokens"}) {
    const std::string value = file.text(key);
    if (value == "null" || value == "[]" || value == "{}") continue;
    return refuse("\"" + std::string(key) + "\" is " + value +
                  ": changes besides those of low rank aren't read here");
  }
  return {};
}

/// Whether the base that B A was trained on isn't the published one: these ways to begin take
/// their B0 A0, or what quantising lost, out of it.
Result<bool> begins_with_residual(const JsonFile& file) {
  const std::string begin = file.text("init_lora_weights");
  for (const char* kind : {"\"pissa", "\"olora", "\"corda", "\"loftq", "\"lora_ga"}) {
    if (begin.starts_with(kind)) return true;
  }
  return false;
}

Result<Settings> read_settings(const std::filesystem::path& folder) {
  WEFT_TRY(file, JsonFile::read_if_there(folder / "adapter_config.json"));
  if (!file) {
    return Error{ErrorCode::kNotFound,
                 "the folder has no adapter_config.json: it isn't an adapter of PEFT's"};
  }
  WEFT_TRY_VOID(refuse_the_rest(*file));
  Settings settings;
  WEFT_TRY(rank, read_numbers(*file, "r", "rank_pattern"));
  WEFT_TRY(alpha, read_numbers(*file, "lora_alpha", "alpha_pattern"));
  WEFT_TRY(is_stabilised, file->boolean("use_rslora", false));
  WEFT_TRY(has_residual, begins_with_residual(*file));
  settings.rank = std::move(rank);
  settings.alpha = std::move(alpha);
  settings.is_rank_stabilised = is_stabilised;
  settings.has_residual_base = has_residual;
  return settings;
}

struct Place {
  std::string_view module;  // "model.layers.3.self_attn.q_proj"
  std::size_t layer = 0;
  Linear linear = Linear::kQ;
  bool is_a = false;
};

/// Of "base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight", with or without the
/// adapter's name before ".weight"; nothing for other names.
std::optional<Place> place_of(std::string_view name) {
  Place place;
  constexpr std::string_view kPeft = "base_model.model.";
  if (name.starts_with(kPeft)) name.remove_prefix(kPeft.size());
  for (const std::string_view ending : {".weight", ".default"}) {
    if (name.ends_with(ending)) name.remove_suffix(ending.size());
  }
  place.is_a = name.ends_with(".lora_A");
  if (!place.is_a && !name.ends_with(".lora_B")) return std::nullopt;
  name.remove_suffix(std::string_view(".lora_A").size());
  place.module = name;
  for (const std::string_view wrapper :
       {"model.language_model.", "language_model.model.", "model."}) {
    if (!name.starts_with(wrapper)) continue;
    name.remove_prefix(wrapper.size());
    break;
  }
  constexpr std::string_view kLayers = "layers.";
  if (!name.starts_with(kLayers)) return std::nullopt;
  name.remove_prefix(kLayers.size());
  const char* const end = name.data() + name.size();
  const auto [digits_end, error] = std::from_chars(name.data(), end, place.layer);
  if (error != std::errc() || digits_end == end || *digits_end != '.') return std::nullopt;
  const std::string_view linear(digits_end + 1, static_cast<std::size_t>(end - digits_end - 1));
  for (std::size_t i = 0; i < kLinears; ++i) {
    if (linear != kLinearNames[i]) continue;
    place.linear = static_cast<Linear>(i);
    return place;
  }
  return std::nullopt;
}

/// GGUF files of architectures that rotate neighbours hold the rows of each head of q and k so that
/// the halves of Transformers' order stand beside each other. B's rows are q's and k's.
void interleave_halves(LowRank& change, std::size_t head_width) {
  const std::vector<float> from = change.b;
  const std::size_t half = head_width / 2;
  for (std::size_t row = 0; row * change.rank < from.size(); ++row) {
    const std::size_t in_head = row % head_width;
    const std::size_t to = row - in_head + in_head % half * 2 + in_head / half;
    std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(row * change.rank), change.rank,
                change.b.begin() + static_cast<std::ptrdiff_t>(to * change.rank));
  }
}

Result<float> scale_of(const Settings& settings, std::string_view module, std::size_t rank) {
  const double said = settings.rank.of(module);
  if (said != static_cast<double>(rank)) {
    return Error{ErrorCode::kCorrupt, "module " + std::string(module) + " has rank " +
                                          std::to_string(rank) + "; adapter_config.json says " +
                                          std::to_string(said)};
  }
  const double divisor = settings.is_rank_stabilised ? std::sqrt(said) : said;
  return static_cast<float>(settings.alpha.of(module) / divisor);
}

}  // namespace

Result<Adapter> read_peft_adapter(const std::filesystem::path& folder, const ModelConfig& config) {
  WEFT_TRY(settings, read_settings(folder));
  WEFT_TRY(file, SafetensorsFile::open(folder / "adapter_model.safetensors"));
  ModuleTensors<SafetensorsTensor> tensors;
  std::map<std::pair<std::size_t, Linear>, std::string_view> names;
  for (const SafetensorsTensor& tensor : file.tensors()) {
    const auto place = place_of(tensor.name);
    if (!place) {
      return Error{ErrorCode::kUnsupported,
                   "tensor " + tensor.name +
                       " isn't of a linear layer that an adapter can change here: those are "
                       "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj and down_proj"};
    }
    WEFT_TRY_VOID(add_half(tensors, place->layer, place->linear, place->is_a, tensor, config));
    names[{place->layer, place->linear}] = place->module;
  }
  Adapter adapter;
  adapter.has_residual_base = settings.has_residual_base;
  adapter.scale_rule = settings.is_rank_stabilised ? "alpha / sqrt(rank)" : "alpha / rank";
  for (const auto& [place, halves] : tensors) {
    WEFT_TRY(change, read_low_rank(file, place, halves, config));
    WEFT_TRY(scale, scale_of(settings, names[place], change.rank));
    const bool is_rotated = place.second == Linear::kQ || place.second == Linear::kK;
    if (is_rotated && config.rope_pairing == RopePairing::kNeighbours) {
      interleave_halves(change, config.head_width);
    }
    adapter.modules.push_back({std::move(change), scale});
  }
  return adapter;
}

}  // namespace weft::inference
