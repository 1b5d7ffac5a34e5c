#pragma once
// A LoRA adapter as its file holds it: changes of low rank to a model's linear layers, each with
// its own rank and scale. Read from GGUF (general.type "adapter", tensors NAME.lora_a and
// NAME.lora_b) or from a folder of PEFT's (adapter_config.json, adapter_model.safetensors).
//
// A manifest beside it says which models it goes with, FILE.manifest.json or the folder's
// adapter_manifest.json:
//   {"bases": ["<fingerprint>", ..], "residual_base": true, "initial": "FILE"}
// (adapter_manifest.h reads and writes it).
// `bases` are fingerprints of model files (`weft model inspect` shows them; quantised files of one
// model have different ones). `residual_base` says that the adapter was trained on what is left of
// the model's weights once its own beginning was subtracted (PiSSA and its kin): on other weights
// it is noise. `initial`, relative to the manifest, is that beginning as an adapter: with it
// `bases` are the whole models, and B A enters as B A - B0 A0. Source: Hu et al. 2021 (LoRA);
// Kalajdzievski 2023 (rsLoRA); Meng et al. 2024 (PiSSA).

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "inference/adapter/low_rank.h"

namespace weft::inference {

inline constexpr std::size_t kAdapterRankMax = 1024;

struct AdapterModule {
  LowRank change;
  float scale = 1;  // of B (A x), as the file wants it: alpha / rank, or alpha / sqrt(rank)
};

/// A value; attach() makes it ready for a model.
struct Adapter {
  std::string source;                  // its path, for messages
  std::vector<AdapterModule> modules;  // by layer and linear; those of `initial` follow, negated
  std::vector<std::string> bases;      // fingerprints of models it goes with; empty: not known
  bool has_residual_base = false;      // and no `initial` makes up for it
  std::string scale_rule;              // how the file gives scales: "alpha / rank"
  std::string digest;                  // 64 hex digits, of the modules
};

/// `path` is a GGUF file, a PEFT folder or its safetensors file; names and shapes are checked
/// against `config`, which also says how the rows of q and k are ordered. Errors: those of
/// GgufFile::open and SafetensorsFile::open; kCorrupt for half a module, a shape that doesn't fit,
/// values that aren't finite, a config or manifest with a value of the wrong type; kUnsupported for
/// another kind of adapter or architecture, layers besides the linear ones, and what PEFT can do
/// besides (each is named); kResourceExhausted for a rank above kAdapterRankMax.
Result<Adapter> read_adapter(const std::filesystem::path& path, const ModelConfig& config);

/// Whether it may act on the model of that fingerprint(); `model` is for the message. Errors:
/// kInvalidArgument where its manifest names other models, or it wants a residual base that no
/// manifest names.
Result<void> check_base(const Adapter& adapter, const std::string& fingerprint,
                        const std::filesystem::path& model);

}  // namespace weft::inference
