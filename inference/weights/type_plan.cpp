#include "inference/weights/type_plan.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "inference/weights/quantize.h"

namespace weft::inference {
namespace {

constexpr std::string_view kEmbedding = "token_embd.weight";
constexpr std::string_view kOutput = "output.weight";

constexpr std::array kQuantizations = {
    Quantization{"f32", TensorType::kF32, false, 0},
    Quantization{"f16", TensorType::kF16, false, 1},
    Quantization{"bf16", TensorType::kBF16, false, 32},
    Quantization{"q8_0", TensorType::kQ8_0, false, 7},
    Quantization{"q4_0", TensorType::kQ4_0, false, 2},
    Quantization{"q4_1", TensorType::kQ4_1, false, 3},
    Quantization{"q5_0", TensorType::kQ5_0, false, 8},
    Quantization{"q5_1", TensorType::kQ5_1, false, 9},
    Quantization{"q4_k_s", TensorType::kQ4_K, false, 14},
    Quantization{"q4_k_m", TensorType::kQ4_K, true, 15},
    Quantization{"q5_k_s", TensorType::kQ5_K, false, 16},
    Quantization{"q5_k_m", TensorType::kQ5_K, true, 17},
    Quantization{"q6_k", TensorType::kQ6_K, false, 18},
};

constexpr std::array kTypes = {TensorType::kF32,  TensorType::kF16,  TensorType::kBF16,
                               TensorType::kQ8_0, TensorType::kQ4_0, TensorType::kQ4_1,
                               TensorType::kQ5_0, TensorType::kQ5_1, TensorType::kQ4_K,
                               TensorType::kQ5_K, TensorType::kQ6_K};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return result;
}

/// `pattern` is somewhere in `name`; its stars stand for any text.
bool matches(std::string_view pattern, std::string_view name) {
  while (!pattern.empty()) {
    const std::size_t star = std::min(pattern.find('*'), pattern.size());
    const std::size_t found = name.find(pattern.substr(0, star));
    if (found == std::string_view::npos) return false;
    name.remove_prefix(found + star);
    pattern.remove_prefix(std::min(star + 1, pattern.size()));
  }
  return true;
}

bool is_matrix(const TensorInfo& tensor) {
  return tensor.dims.size() > 1 && tensor.rows() > 1 && tensor.name.ends_with(".weight") &&
         !tensor.name.ends_with("_norm.weight");
}

bool fits(TensorType type, const TensorInfo& tensor) {
  return row_bytes(type, tensor.row_length()).has_value();
}

/// Where rows aren't whole blocks: the nearest format with smaller ones that has as many bits.
TensorType fallback(TensorType type, const TensorInfo& tensor) {
  if (fits(type, tensor)) return type;
  TensorType smaller = TensorType::kF16;
  if (type == TensorType::kQ4_K) smaller = TensorType::kQ5_0;
  if (type == TensorType::kQ5_K) smaller = TensorType::kQ5_1;
  if (type == TensorType::kQ6_K) smaller = TensorType::kQ8_0;
  return fits(smaller, tensor) ? smaller : TensorType::kF16;
}

std::optional<std::size_t> layer_of(std::string_view name) {
  constexpr std::string_view kPrefix = "blk.";
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::size_t layer = 0;
  const char* end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + kPrefix.size(), end, layer);
  if (parsed.ec != std::errc() || parsed.ptr == end || *parsed.ptr != '.') return std::nullopt;
  return layer;
}

/// The first and the last eighth of the layers, and every third between.
bool gets_more_bits(std::size_t layer, std::size_t layers) {
  return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

class Planner {
 public:
  Planner(std::span<const TensorInfo> tensors, const TypePlanOptions& options)
      : options_(options),
        is_tied_(std::ranges::find(tensors, kOutput, &TensorInfo::name) == tensors.end()) {
    for (const TensorInfo& tensor : tensors) {
      if (const auto layer = layer_of(tensor.name)) layers_ = std::max(layers_, *layer + 1);
    }
  }

  TensorType type_of(const TensorInfo& tensor) const {
    const bool is_output = tensor.name == (is_tied_ ? kEmbedding : kOutput);
    if (is_output && options_.output) return *options_.output;
    if (tensor.name == kEmbedding && options_.embedding) return *options_.embedding;
    if (!options_.quantization || !is_matrix(tensor)) return tensor.type;
    const TensorType type = options_.quantization->type;
    const bool has_fewer_bits = is_block_format(type) && type != TensorType::kQ8_0;
    const bool more =
        has_fewer_bits && (is_output || (options_.quantization->mixes && is_favoured(tensor.name)));
    return fallback(more ? TensorType::kQ6_K : type, tensor);
  }

 private:
  bool is_favoured(std::string_view name) const {
    const auto layer = layer_of(name);
    return layer && gets_more_bits(*layer, layers_) &&
           (name.ends_with(".attn_v.weight") || name.ends_with(".ffn_down.weight"));
  }

  const TypePlanOptions& options_;
  bool is_tied_;
  std::size_t layers_ = 0;
};

}  // namespace

std::span<const Quantization> quantizations() noexcept { return kQuantizations; }

Result<Quantization> quantization_named(std::string_view name) {
  std::string wanted = lower(name);
  if (wanted == "q4_k" || wanted == "q5_k") wanted += "_s";
  std::string names;
  for (const Quantization& known : kQuantizations) {
    if (known.name == wanted) return known;
    names += (names.empty() ? "" : ", ") + std::string(known.name);
  }
  return Error{ErrorCode::kInvalidArgument,
               "no quantisation \"" + std::string(name) + "\"; there are " + names};
}

Result<TensorType> tensor_type_named(std::string_view name) {
  std::string names;
  for (const TensorType type : kTypes) {
    const std::string known = lower(to_string(type));
    if (known == lower(name)) return type;
    names += (names.empty() ? "" : ", ") + known;
  }
  return Error{ErrorCode::kInvalidArgument,
               "no tensor type \"" + std::string(name) + "\"; there are " + names};
}

Result<std::vector<TensorType>> plan_types(std::span<const TensorInfo> tensors,
                                           const TypePlanOptions& options) {
  const Planner planner(tensors, options);
  std::vector<bool> used(options.rules.size());
  std::vector<TensorType> types;
  for (const TensorInfo& tensor : tensors) {
    const auto rule = std::ranges::find_if(
        options.rules, [&](const TypeRule& r) { return matches(r.pattern, tensor.name); });
    TensorType type = planner.type_of(tensor);
    if (rule != options.rules.end()) {
      type = rule->type;
      used[static_cast<std::size_t>(rule - options.rules.begin())] = true;
    }
    if (!fits(type, tensor)) {
      return Error{ErrorCode::kInvalidArgument,
                   "tensor '" + tensor.name + "' has rows of " +
                       std::to_string(tensor.row_length()) + " values, not whole blocks of " +
                       std::string(to_string(type)) + "; choose a type with smaller blocks"};
    }
    if (is_block_format(type) && !is_matrix(tensor)) {
      return Error{ErrorCode::kInvalidArgument, "tensor '" + tensor.name +
                                                    "' is no matrix and stays in floats; write "
                                                    "the pattern so that it doesn't match"};
    }
    types.push_back(type);
  }
  for (std::size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) {
      return Error{ErrorCode::kInvalidArgument,
                   "no tensor's name fits \"" + options.rules[i].pattern +
                       "\" (or an earlier pattern takes them); weft model inspect --tensors "
                       "lists the names"};
    }
  }
  return types;
}

}  // namespace weft::inference
