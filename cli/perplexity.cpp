// `weft perplexity`: how well the model predicts a text, scored as llama.cpp's tool scores it.

#include "inference/perplexity.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/adapter_flags.h"
#include "cli/text.h"
#include "cli/text_input.h"
#include "cli/verbs.h"
#include "cli/whole_number.h"
#include "inference/session.h"

namespace weft::cli {
namespace {

constexpr std::size_t kTextBytesMax = std::size_t{1} << 30;

struct Options {
  std::string file;
  std::size_t window = 512;
  std::size_t windows = 0;
  AdapterFlags adapters;
};

Result<ExitCode> run_perplexity(Context& context, const Options& options) {
  WEFT_TRY(text, read_input(context, options.file, kTextBytesMax));
  WEFT_TRY(engine, load_engine(context, {.chat = false}));
  WEFT_TRY(adapter, attach_adapters(options.adapters, engine.model));
  WEFT_TRY(session, inference::Session::open(engine.model, {.context_length_max = options.window,
                                                            .adapter = std::move(adapter)}));
  Progress progress(context.console, "windows", Progress::Unit::kItems);
  inference::PerplexityOptions scoring;
  scoring.window = options.window;
  scoring.windows_max = options.windows;
  scoring.stop = context.stop;
  scoring.on_window = [&](std::size_t done, std::size_t total) { progress.update(done, total); };
  const auto ids = engine.model->tokenizer().encode(text, false);
  WEFT_TRY(scored, inference::perplexity(session, ids, scoring));
  progress.clear();
  if (context.console.json_result()) {
    context.console.print_json({{"perplexity", scored.perplexity},
                                {"nll", scored.nll},
                                {"nll_per_window", scored.nll_per_window},
                                {"tokens_scored", scored.tokens},
                                {"windows", scored.nll_per_window.size()},
                                {"ctx", options.window},
                                {"kv_bytes", session.kv_bytes()},
                                {"model", engine.name}});
  } else {
    context.console.print("perplexity " + fixed(scored.perplexity, 4) + " over " +
                          std::to_string(scored.tokens) + " tokens in " +
                          std::to_string(scored.nll_per_window.size()) + " windows of " +
                          std::to_string(options.window) + "\n");
  }
  return ExitCode::kDone;
}

}  // namespace

void add_perplexity(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand("perplexity", "Score how well the model predicts a text");
  const auto options = std::make_shared<Options>();
  verb->add_option("-f,--file", options->file, "The text; - is standard input")
      ->required()
      ->type_name("FILE");
  verb->add_option("--ctx", options->window, "Tokens a window; its first half isn't scored")
      ->capture_default_str()
      ->check(whole_number);
  verb->add_option("--windows", options->windows, "Score only so many windows; 0 = all")
      ->capture_default_str()
      ->check(whole_number);
  add_adapter_flags(*verb, options->adapters);
  add_setting(*verb, parsed, "-m,--model", "model.name");
  add_setting(*verb, parsed, "--threads", "engine.threads");
  add_setting(*verb, parsed, "--kv", "engine.kv");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_perplexity(context, *options); };
  });
}

}  // namespace weft::cli
