// `weft model diff`: what differs between two models, and the sparse delta that makes one the
// other.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/model_weights.h"
#include "cli/text.h"
#include "inference/numerics_id.h"
#include "inference/weights/sparse_delta.h"

namespace weft::cli {
namespace {

constexpr std::size_t kShownMax = 10;  // tensors, for people

struct Options {
  std::string base;
  std::string tuned;
  std::string output;
  std::string op = "set";
  double keep = 1;
  bool force = false;
};

std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

std::string text_of(const inference::Diff& found, std::uint64_t changed, std::uint64_t values) {
  std::string text =
      std::to_string(changed) + " of " + std::to_string(values) + " weights differ (" +
      fixed(100 * static_cast<double>(changed) / static_cast<double>(values), 3) + " %)\n";
  auto tensors = found.tensors;
  std::ranges::sort(tensors, std::greater(), &inference::Diff::Tensor::root_mean_square);
  std::size_t lines = 0;
  for (const auto& tensor : tensors) {
    if (tensor.changed == 0 || lines++ == kShownMax) break;
    text += "  " + printable(tensor.name) + ": " + std::to_string(tensor.changed) + " of " +
            std::to_string(tensor.values) + ", root mean square " + shown(tensor.root_mean_square) +
            ", largest " + shown(tensor.largest) + "\n";
  }
  return text;
}

Result<ExitCode> run_diff(Context& context, const Options& options) {
  inference::DiffOptions diffing{.keep = options.keep, .stop = context.stop};
  if (options.op != "set" && options.op != "add") {
    return Error{ErrorCode::kInvalidArgument, "--op is set or add, not \"" + options.op + "\""};
  }
  diffing.op = options.op == "set" ? inference::DeltaOp::kSet : inference::DeltaOp::kAdd;
  std::error_code ignored;
  if (!options.output.empty() && !options.force &&
      std::filesystem::exists(options.output, ignored)) {
    return Error{ErrorCode::kAlreadyExists,
                 options.output + " is there already; --force replaces it"};
  }
  WEFT_TRY(base, open_model_file(context, options.base));
  WEFT_TRY(tuned, open_model_file(context, options.tuned));
  WEFT_TRY(print, fingerprint(base));
  diffing.base = print;
  Progress progress(context.console, "comparing", Progress::Unit::kItems);
  diffing.on_progress = [&](std::uint64_t done, std::uint64_t total) {
    progress.update(done, total);
  };
  WEFT_TRY(found, diff(inference::GgufTensors(base), inference::GgufTensors(tuned), options.output,
                       diffing));
  progress.clear();
  std::uint64_t changed = 0;
  std::uint64_t values = 0;
  nlohmann::ordered_json tensors = nlohmann::ordered_json::array();
  for (const auto& tensor : found.tensors) {
    changed += tensor.changed;
    values += tensor.values;
    if (tensor.changed == 0) continue;
    tensors.push_back({{"name", tensor.name},
                       {"changed", tensor.changed},
                       {"weights", tensor.values},
                       {"root_mean_square", tensor.root_mean_square},
                       {"largest", tensor.largest}});
  }
  if (context.console.json_result()) {
    context.console.print_json({{"changed", changed},
                                {"weights", values},
                                {"tensors", std::move(tensors)},
                                {"path", options.output},
                                {"size_bytes", found.size_bytes}});
    return ExitCode::kDone;
  }
  std::string text = text_of(found, changed, values);
  if (!options.output.empty())
    text += human_bytes(found.size_bytes) + " at " + options.output + "\n";
  context.console.print(text);
  return ExitCode::kDone;
}

}  // namespace

void add_model_diff(CLI::App& model, Parsed& parsed) {
  auto* verb = model.add_subcommand("diff", "Compare two models' weights, and keep what differs");
  const auto options = std::make_shared<Options>();
  verb->add_option("base", options->base, "A model here or a GGUF file")->required();
  verb->add_option("tuned", options->tuned, "Another of the same shape")->required();
  verb->add_option("-o,--output", options->output,
                   "Write a sparse delta, to be applied by weft model merge --delta")
      ->type_name("FILE");
  verb->add_option("--op", options->op,
                   "set: the tuned weights, exact; add: differences, which can be scaled and taken "
                   "away again")
      ->capture_default_str();
  verb->add_option("--keep", options->keep,
                   "The share of each tensor that may change, the largest differences first")
      ->capture_default_str();
  verb->add_flag("--force", options->force, "Replace a file that is there");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_diff(context, *options); };
  });
}

}  // namespace weft::cli
