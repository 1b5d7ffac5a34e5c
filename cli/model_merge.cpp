// `weft model merge`: several models, or a model and sparse deltas, as one.

#include <CLI/CLI.hpp>
#include <charconv>
#include <nlohmann/json.hpp>

#include "cli/model_weights.h"
#include "cli/whole_number.h"
#include "inference/numerics_id.h"
#include "inference/weights/merge.h"
#include "inference/weights/sparse_delta.h"
#include "inference/weights/vocabulary.h"

namespace weft::cli {
namespace {

using inference::MergeMethod;

struct Options {
  std::string base;
  std::string method = "task";
  std::vector<std::string> models;  // NAME or NAME:WEIGHT
  std::vector<std::string> deltas;  // FILE or FILE:SCALE
  double scale = 1;
  std::optional<double> density;
  std::optional<double> drop;
  std::uint64_t seed = 0;
  bool inverse = false;
  bool any_base = false;
  Destination destination;
  StorageFlags storage;
};

struct Weighted {
  std::string name;
  double weight = 1;
};

/// "NAME:0.5"; a colon without a number after it is part of the name.
Weighted parse_weighted(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return {text, 1};
  double weight = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + colon + 1, end, weight);
  if (parsed.ec != std::errc() || parsed.ptr != end) return {text, 1};
  return {text.substr(0, colon), weight};
}

Result<inference::MergeOptions> merge_options(const Options& options) {
  struct Method {
    std::string_view name;
    MergeMethod method;
    double density;
    double drop;
  };
  // DARE with TIES trims nothing unless it is asked to: what it keeps is sparse already.
  constexpr Method kMethods[] = {
      {"linear", MergeMethod::kLinear, 1, 0},    {"task", MergeMethod::kTask, 1, 0},
      {"ties", MergeMethod::kTies, 0.2, 0},      {"dare", MergeMethod::kTask, 1, 0.9},
      {"dare-ties", MergeMethod::kTies, 1, 0.9}, {"varm", MergeMethod::kVarm, 1, 0}};
  const auto* found = std::ranges::find(kMethods, options.method, &Method::name);
  if (found == std::end(kMethods)) {
    return Error{ErrorCode::kInvalidArgument,
                 "no method \"" + options.method +
                     "\"; there are linear, task, ties, dare, dare-ties and varm"};
  }
  if (options.density && found->method != MergeMethod::kTies) {
    return Error{ErrorCode::kInvalidArgument, "--density is of ties and dare-ties"};
  }
  if (options.drop && found->drop == 0) {
    return Error{ErrorCode::kInvalidArgument, "--drop is of dare and dare-ties"};
  }
  return inference::MergeOptions{.method = found->method,
                                 .scale = options.scale,
                                 .density = options.density.value_or(found->density),
                                 .drop = options.drop.value_or(found->drop),
                                 .seed = options.seed};
}

/// The chain of sources from the files to the result, and what it borrows.
class Chain {
 public:
  Result<void> open(const Context& context, const Options& options) {
    WEFT_TRY_VOID(add_file(context, options.base));
    std::vector<Weighted> models;
    for (const std::string& text : options.models) {
      models.push_back(parse_weighted(text));
      WEFT_TRY_VOID(add_file(context, models.back().name));
    }
    result_ = &add(std::make_unique<inference::GgufTensors>(*files_[0]));
    if (!models.empty()) WEFT_TRY_VOID(merge(options, models));
    for (const std::string& text : options.deltas) WEFT_TRY_VOID(patch(options, text));
    return {};
  }

  const inference::TensorSource& result() const { return *result_; }
  /// Whose metadata the result has: the base's, or of the file that knows more tokens.
  const inference::GgufFile& described_by() const { return *files_[described_by_]; }
  const inference::GgufFile& base() const { return *files_[0]; }

 private:
  Result<void> add_file(const Context& context, const std::string& name) {
    WEFT_TRY(file, open_model_file(context, name));
    files_.push_back(std::make_unique<inference::GgufFile>(std::move(file)));
    return {};
  }

  inference::TensorSource& add(std::unique_ptr<inference::TensorSource> source) {
    sources_.push_back(std::move(source));
    return *sources_.back();
  }

  Result<void> merge(const Options& options, const std::vector<Weighted>& models) {
    WEFT_TRY(merging, merge_options(options));
    WEFT_TRY(tokens, common_vocabulary(*files_[0], *files_[0]));
    for (std::size_t i = 1; i < files_.size(); ++i) {
      WEFT_TRY(architecture, files_[0]->string("general.architecture"));
      WEFT_TRY(other, files_[i]->string("general.architecture"));
      if (architecture != other) {
        return Error{ErrorCode::kInvalidArgument,
                     models[i - 1].name + " is a model of architecture " + std::string(other) +
                         ", the base of " + std::string(architecture)};
      }
      WEFT_TRY(most, common_vocabulary(*files_[described_by_], *files_[i]));
      if (most > tokens) described_by_ = i;
      tokens = std::max(tokens, most);
    }
    std::vector<inference::MergeInput> inputs;
    const auto padded = [&](std::size_t i) -> const inference::TensorSource& {
      const auto& plain = add(std::make_unique<inference::GgufTensors>(*files_[i]));
      return add(std::make_unique<inference::PaddedVocabulary>(plain, tokens));
    };
    const auto& base = padded(0);
    for (std::size_t i = 1; i < files_.size(); ++i) {
      inputs.push_back({&padded(i), models[i - 1].name, models[i - 1].weight});
    }
    WEFT_TRY(merged, inference::MergedTensors::open(base, std::move(inputs), merging));
    result_ = &add(std::move(merged));
    return {};
  }

  Result<void> patch(const Options& options, const std::string& text) {
    const Weighted delta = parse_weighted(text);
    WEFT_TRY(opened, inference::SparseDelta::open(delta.name));
    WEFT_TRY(base, fingerprint(*files_[0]));
    if (!options.any_base && !options.inverse && !opened.base().empty() && opened.base() != base) {
      return Error{ErrorCode::kConflict,
                   delta.name + " was made for a model with the fingerprint " + opened.base() +
                       ", the base has " + base + "; --any-base applies it all the same"};
    }
    deltas_.push_back(std::make_unique<inference::SparseDelta>(std::move(opened)));
    WEFT_TRY(patched, inference::PatchedTensors::open(
                          *result_, *deltas_.back(),
                          {.scale = static_cast<float>(delta.weight), .inverse = options.inverse}));
    result_ = &add(std::move(patched));
    return {};
  }

  std::vector<std::unique_ptr<inference::GgufFile>> files_;  // the base's first
  std::vector<std::unique_ptr<inference::SparseDelta>> deltas_;
  std::vector<std::unique_ptr<inference::TensorSource>> sources_;
  const inference::TensorSource* result_ = nullptr;
  std::size_t described_by_ = 0;
};

/// For the manifest.
std::string describe(const Options& options) {
  std::string text = "merge:" + options.base;
  if (!options.models.empty()) text += " --method " + options.method;
  for (const std::string& model : options.models) text += " " + model;
  for (const std::string& delta : options.deltas) text += " --delta " + delta;
  return text;
}

Result<ExitCode> run_merge(Context& context, const Options& options) {
  if (options.models.empty() && options.deltas.empty()) {
    return Error{ErrorCode::kInvalidArgument, "name models to merge, or a --delta to apply"};
  }
  Chain chain;
  WEFT_TRY_VOID(chain.open(context, options));
  WEFT_TRY(plan, type_plan_of(options.storage));
  inference::WriteModelOptions writing;
  // What isn't said otherwise stays as the base has it, whatever the others' types.
  std::vector<inference::TensorInfo> tensors(chain.result().tensors().begin(),
                                             chain.result().tensors().end());
  for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].type = chain.base().tensors()[i].type;
  WEFT_TRY(types, inference::plan_types(tensors, plan));
  writing.types = std::move(types);
  writing.allow_requantize = options.storage.allow_requantize;
  writing.threads = writing_threads(context);
  writing.stop = context.stop;
  Progress progress(context.console, options.destination.given, Progress::Unit::kBytes);
  writing.on_progress = [&](std::uint64_t done, std::uint64_t total) {
    progress.update(done, total);
  };
  auto metadata = inference::GgufMetadata::copy_of(chain.described_by());
  describe_types(metadata, plan);
  inference::WrittenModel written;
  WEFT_TRY(made, make_model(context, options.destination, describe(options),
                            [&](const std::filesystem::path& path) -> Result<void> {
                              WEFT_TRY(done, write_model(chain.result(), metadata, path, writing));
                              written = done;
                              return {};
                            }));
  progress.clear();
  if (context.console.json_result()) {
    context.console.print_json(written_json(made, written));
  } else {
    context.console.print(written_text(made, written));
  }
  return ExitCode::kDone;
}

}  // namespace

void add_model_merge(CLI::App& model, Parsed& parsed) {
  auto* verb = model.add_subcommand("merge", "Merge models of one shape, or apply sparse deltas");
  const auto options = std::make_shared<Options>();
  verb->add_option("models", options->models,
                   "Models here or GGUF files, each with a weight after a colon: a:0.7 b:0.3");
  verb->add_option("--base", options->base, "What the models were tuned from")
      ->required()
      ->type_name("MODEL");
  verb->add_option("-o,--output", options->destination.given,
                   "A name for the model store, or a path ending in .gguf")
      ->required()
      ->type_name("DESTINATION");
  verb->add_option("--method", options->method,
                   "linear, task (arithmetic), ties, dare, dare-ties or varm")
      ->capture_default_str();
  verb->add_option("--scale", options->scale, "Of the merged difference to the base")
      ->capture_default_str();
  verb->add_option("--density", options->density,
                   "The share of each tensor's differences that ties keeps (0.2; dare-ties: 1)");
  verb->add_option("--drop", options->drop, "The share that dare drops at random (0.9)");
  verb->add_option("--seed", options->seed, "Of what dare drops")
      ->capture_default_str()
      ->check(whole_number);
  verb->add_option("--delta", options->deltas,
                   "A sparse delta (weft model diff), with a scale after a colon; repeatable")
      ->type_name("FILE")
      ->allow_extra_args(false);
  verb->add_flag("--inverse", options->inverse, "Take the deltas away from a model that has them");
  verb->add_flag("--any-base", options->any_base, "Apply deltas to another base than their own");
  verb->add_option("-t,--type", options->storage.type,
                   "The format of the result; else each tensor stays in the base's")
      ->type_name("TYPE");
  add_storage_flags(*verb, options->storage);
  verb->add_flag("--force", options->destination.force, "Replace a file that is there");
  add_setting(*verb, parsed, "--threads", "engine.threads");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_merge(context, *options); };
  });
}

}  // namespace weft::cli
