#pragma once
// The verbs of `weft model` that write weights, and what they share.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/context.h"
#include "cli/verbs.h"
#include "inference/gguf.h"
#include "inference/weights/gguf_writer.h"
#include "inference/weights/type_plan.h"
#include "inference/weights/write_model.h"

namespace weft::cli {

void add_model_pack(CLI::App& model, Parsed& parsed);
void add_model_quantize(CLI::App& model, Parsed& parsed);
void add_model_merge(CLI::App& model, Parsed& parsed);
void add_model_diff(CLI::App& model, Parsed& parsed);

/// The GGUF file of a model by name or path. Errors: kNotFound says how to get it.
Result<inference::GgufFile> open_model_file(const Context& context, const std::string& name);

/// As many as engine.threads says; 0 stands for all of the machine's.
std::size_t writing_threads(const Context& context);

/// Where a result goes: a path ("./x.gguf", "x.gguf", "/tmp/x"), or else a name in the store.
struct Destination {
  std::string given;
  bool force = false;  // replaces a file that is there
};

struct MadeModel {
  std::string name;  // in the store; empty for a file elsewhere
  std::filesystem::path path;
};

/// Has `write` make the model at its destination. `source` is kept in the store's manifest.
/// Errors: kAlreadyExists without `force`; those of `write` and ModelStore::make().
Result<MadeModel> make_model(
    const Context& context, const Destination& destination, const std::string& source,
    const std::function<Result<void>(const std::filesystem::path&)>& write);

/// The flags that say how tensors are stored.
struct StorageFlags {
  std::string type;
  std::string output_type;
  std::string embedding_type;
  std::vector<std::string> tensor_types;  // PATTERN=TYPE
  bool allow_requantize = false;
};
void add_storage_flags(CLI::App& verb, StorageFlags& flags);

/// Errors: kInvalidArgument for names of types.
Result<inference::TypePlanOptions> type_plan_of(const StorageFlags& flags);

/// Tells readers of the metadata how the tensors are stored.
void describe_types(inference::GgufMetadata& metadata, const inference::TypePlanOptions& plan);

/// Sizes and types of a model that was written.
nlohmann::ordered_json written_json(const MadeModel& made, const inference::WrittenModel& written);
std::string written_text(const MadeModel& made, const inference::WrittenModel& written);

}  // namespace weft::cli
