#include "cli/adapter_flags.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <string_view>
#include <utility>

namespace weft::cli {
namespace {

using inference::Adapter;
using inference::AttachedAdapter;

struct Named {
  std::string file;
  float scale = 1;
};

/// "FILE:SCALE"; what follows a colon and is no number is part of the file's name.
Named parse(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return {text};
  const char* const begin = text.data() + colon + 1;
  const char* const end = text.data() + text.size();
  Named named{text.substr(0, colon)};
  const auto [stop, error] = std::from_chars(begin, end, named.scale);
  return error == std::errc() && stop == end ? named : Named{text};
}

}  // namespace

void add_adapter_flags(CLI::App& verb, AdapterFlags& flags) {
  verb.add_option("--lora", flags.adapters,
                  "A LoRA adapter, a GGUF file or a folder of PEFT's, and how strongly it acts "
                  "(1 unless given); may be repeated: they add up")
      ->type_name("FILE[:SCALE]")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_flag("--lora-any-base", flags.allows_other_base,
                "Take adapters whose manifests name other models too");
}

Result<std::shared_ptr<const AttachedAdapter>> attach_adapters(
    const AdapterFlags& flags, std::shared_ptr<const inference::Model> model) {
  if (flags.adapters.empty()) return std::shared_ptr<const AttachedAdapter>();
  std::vector<Adapter> adapters;
  std::vector<float> scales;
  for (const std::string& text : flags.adapters) {
    const Named named = parse(text);
    WEFT_TRY(adapter, inference::read_adapter(named.file, model->config()));
    adapters.push_back(std::move(adapter));
    scales.push_back(named.scale);
  }
  std::vector<inference::AdapterUse> uses;
  for (std::size_t i = 0; i < adapters.size(); ++i) uses.push_back({&adapters[i], scales[i]});
  return AttachedAdapter::attach(std::move(model), uses,
                                 {.allows_other_base = flags.allows_other_base});
}

Result<std::shared_ptr<const AttachedAdapter>> AdapterCache::attach(const AdapterFlags& flags) {
  if (const auto known = attached_.find(flags.adapters); known != attached_.end()) {
    return known->second;
  }
  if (attached_.size() == kAdaptersMax) {
    return Error{ErrorCode::kResourceExhausted, "the lines name more than " +
                                                    std::to_string(kAdaptersMax) +
                                                    " different adapters: split the batch"};
  }
  WEFT_TRY(attached, attach_adapters(flags, model_));
  attached_[flags.adapters] = attached;
  return attached;
}

}  // namespace weft::cli
