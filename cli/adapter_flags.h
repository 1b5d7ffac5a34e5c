#pragma once
// The flags that change the model by LoRA adapters, and the adapters that lines of a batch name.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "inference/adapter/attached_adapter.h"

namespace CLI {
class App;
}

namespace weft::cli {

struct AdapterFlags {
  std::vector<std::string> adapters;  // "FILE" or "FILE:SCALE"; their changes add up
  bool allows_other_base = false;
};

/// `flags` must outlive the parsing.
void add_adapter_flags(CLI::App& verb, AdapterFlags& flags);

/// What the flags ask for, ready for the model; null for none. Errors: those of read_adapter() and
/// AttachedAdapter::attach().
Result<std::shared_ptr<const inference::AttachedAdapter>> attach_adapters(
    const AdapterFlags& flags, std::shared_ptr<const inference::Model> model);

/// Adapters that were attached before, so that the lines of a batch read each once.
class AdapterCache {
 public:
  explicit AdapterCache(std::shared_ptr<const inference::Model> model) : model_(std::move(model)) {}

  /// As attach_adapters(). Errors: also kResourceExhausted past kAdaptersMax different ones.
  Result<std::shared_ptr<const inference::AttachedAdapter>> attach(const AdapterFlags& flags);

 private:
  static constexpr std::size_t kAdaptersMax = 64;
  std::shared_ptr<const inference::Model> model_;
  std::map<std::vector<std::string>, std::shared_ptr<const inference::AttachedAdapter>> attached_;
};

}  // namespace weft::cli
