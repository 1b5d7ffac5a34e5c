#include "cli/model_weights.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/models.h"
#include "cli/text.h"
#include "inference/weights/quantize.h"

namespace weft::cli {
namespace {

constexpr std::uint32_t kQuantizationVersion = 2;  // of ggml's block formats since 2023

bool is_path(const std::string& given) {
  return given.find('/') != std::string::npos || given.ends_with(".gguf");
}

double bits_per_weight(const inference::WrittenModel& written) {
  return 8 * static_cast<double>(written.weight_bytes) / static_cast<double>(written.weights);
}

}  // namespace

Result<inference::GgufFile> open_model_file(const Context& context, const std::string& name) {
  WEFT_TRY(tools, ModelTools::open(context));
  WEFT_TRY(path, tools->store().path_of(name));
  return inference::GgufFile::open(path);
}

std::size_t writing_threads(const Context& context) {
  const auto set = static_cast<std::size_t>(context.config.integer("engine.threads"));
  return set != 0 ? set : std::max(1U, std::thread::hardware_concurrency());
}

Result<MadeModel> make_model(
    const Context& context, const Destination& destination, const std::string& source,
    const std::function<Result<void>(const std::filesystem::path&)>& write) {
  if (is_path(destination.given)) {
    std::error_code ignored;
    if (!destination.force && std::filesystem::exists(destination.given, ignored)) {
      return Error{ErrorCode::kAlreadyExists,
                   destination.given + " is there already; --force replaces it"};
    }
    WEFT_TRY_VOID(write(destination.given));
    return MadeModel{"", destination.given};
  }
  WEFT_TRY(tools, ModelTools::open(context));
  inference::PullOptions options;
  options.stop = context.stop;
  WEFT_TRY(entry, tools->store().make(destination.given, source, write, options));
  return MadeModel{entry.name, entry.path};
}

void add_storage_flags(CLI::App& verb, StorageFlags& flags) {
  verb.add_option("--output-tensor-type", flags.output_type,
                  "Of the output matrix (or of the embedding, where that is the output too)")
      ->type_name("TYPE");
  verb.add_option("--token-embedding-type", flags.embedding_type, "Of the embedding")
      ->type_name("TYPE");
  verb.add_option("--tensor-type", flags.tensor_types,
                  "Of tensors whose names hold PATTERN (* for any text), before all other rules; "
                  "repeatable: attn_v=q6_k")
      ->type_name("PATTERN=TYPE")
      ->allow_extra_args(false);
  verb.add_flag("--allow-requantize", flags.allow_requantize,
                "Round again what is stored in blocks already, at a loss");
}

Result<inference::TypePlanOptions> type_plan_of(const StorageFlags& flags) {
  inference::TypePlanOptions plan;
  if (!flags.type.empty()) {
    WEFT_TRY(quantization, inference::quantization_named(flags.type));
    plan.quantization = quantization;
  }
  if (!flags.output_type.empty()) {
    WEFT_TRY(type, inference::tensor_type_named(flags.output_type));
    plan.output = type;
  }
  if (!flags.embedding_type.empty()) {
    WEFT_TRY(type, inference::tensor_type_named(flags.embedding_type));
    plan.embedding = type;
  }
  for (const std::string& rule : flags.tensor_types) {
    const std::size_t equals = rule.rfind('=');
    if (equals == std::string::npos || equals == 0) {
      return Error{ErrorCode::kInvalidArgument,
                   "--tensor-type \"" + rule + "\": write PATTERN=TYPE, as in attn_v=q6_k"};
    }
    WEFT_TRY(type, inference::tensor_type_named(rule.substr(equals + 1)));
    plan.rules.push_back({rule.substr(0, equals), type});
  }
  return plan;
}

void describe_types(inference::GgufMetadata& metadata, const inference::TypePlanOptions& plan) {
  if (!plan.quantization) return;
  metadata.set_u32("general.file_type", plan.quantization->file_type);
  if (inference::is_block_format(plan.quantization->type)) {
    metadata.set_u32("general.quantization_version", kQuantizationVersion);
  }
}

nlohmann::ordered_json written_json(const MadeModel& made, const inference::WrittenModel& written) {
  return {{"name", made.name},
          {"path", made.path.string()},
          {"size_bytes", written.size_bytes},
          {"weights", written.weights},
          {"bits_per_weight", bits_per_weight(written)},
          {"tensors_copied", written.copied},
          {"tensors_with_importance", written.with_importance}};
}

std::string written_text(const MadeModel& made, const inference::WrittenModel& written) {
  return (made.name.empty() ? "" : made.name + ": ") + human_bytes(written.size_bytes) + " at " +
         made.path.string() + ", " + fixed(bits_per_weight(written), 2) + " bits a weight\n";
}

}  // namespace weft::cli
