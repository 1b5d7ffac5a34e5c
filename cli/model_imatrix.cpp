// `weft model imatrix`: which columns of the weights a text needs most, for `quantize --imatrix`.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/model_weights.h"
#include "cli/text.h"
#include "cli/text_input.h"
#include "cli/whole_number.h"
#include "inference/session.h"
#include "inference/weights/importance_collector.h"

namespace weft::cli {
namespace {

constexpr std::size_t kTextBytesMax = std::size_t{1} << 28;

struct Options {
  std::string model;
  std::string text;
  std::string output;
  std::size_t window = 512;
  std::size_t windows = 0;
  bool force = false;
};

Result<ExitCode> run_imatrix(Context& context, const Options& options) {
  std::error_code ignored;
  if (!options.force && std::filesystem::exists(options.output, ignored)) {
    return Error{ErrorCode::kAlreadyExists,
                 options.output + " is there already; --force replaces it"};
  }
  WEFT_TRY(text, read_input(context, options.text, kTextBytesMax));
  WEFT_TRY(file, open_model_file(context, options.model));
  WEFT_TRY(backend, open_backend(context));
  WEFT_TRY(model, inference::Model::load(file.path(), *backend));
  WEFT_TRY(session, inference::Session::open(model, {.context_length_max = options.window}));
  Progress progress(context.console, "windows", Progress::Unit::kItems);
  inference::PerplexityOptions reading;
  reading.window = options.window;
  reading.windows_max = options.windows;
  reading.stop = context.stop;
  reading.on_window = [&](std::size_t done, std::size_t total) { progress.update(done, total); };
  const auto ids = model->tokenizer().encode(text, false);
  WEFT_TRY(collected, inference::collect_importance(session, ids, reading));
  progress.clear();
  WEFT_TRY_VOID(write_importance(collected, options.text, options.output));
  std::size_t tensors = 0;
  for (const auto& columns : collected.columns) tensors += columns.tensors.size();
  const std::size_t windows = collected.text.nll_per_window.size();
  if (context.console.json_result()) {
    context.console.print_json({{"path", options.output},
                                {"tensors", tensors},
                                {"tokens_read", collected.tokens},
                                {"windows", windows},
                                {"ctx", options.window},
                                {"perplexity", collected.text.perplexity}});
  } else {
    context.console.print(options.output + ": " + std::to_string(tensors) + " tensors' columns, " +
                          std::to_string(collected.tokens) + " tokens in " +
                          std::to_string(windows) + " windows, perplexity " +
                          fixed(collected.text.perplexity, 4) + "\n");
  }
  return ExitCode::kDone;
}

}  // namespace

void add_model_imatrix(CLI::App& model, Parsed& parsed) {
  auto* verb = model.add_subcommand(
      "imatrix", "Find out on a text how much each column of a model's weights matters");
  const auto options = std::make_shared<Options>();
  verb->add_option("model", options->model, "A model here or a GGUF file, best of F16 or more")
      ->required();
  verb->add_option("--text", options->text, "What it reads; - is standard input")
      ->required()
      ->type_name("FILE");
  verb->add_option("-o,--output", options->output, "Where the matrix goes, as GGUF")
      ->required()
      ->type_name("FILE");
  verb->add_option("--ctx", options->window, "Tokens a window")
      ->capture_default_str()
      ->check(whole_number);
  verb->add_option("--windows", options->windows, "Read only so many windows; 0 = all")
      ->capture_default_str()
      ->check(whole_number);
  verb->add_flag("--force", options->force, "Replace a file that is there");
  add_setting(*verb, parsed, "--threads", "engine.threads");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_imatrix(context, *options); };
  });
}

}  // namespace weft::cli
