// `weft model quantize`: a model in another format, and what that does to its predictions.

#include <CLI/CLI.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/model_weights.h"
#include "cli/text.h"
#include "cli/text_input.h"
#include "cli/whole_number.h"
#include "inference/session.h"
#include "inference/weights/divergence.h"
#include "inference/weights/importance.h"

namespace weft::cli {
namespace {

constexpr std::size_t kTextBytesMax = std::size_t{1} << 28;

struct Options {
  std::string source;
  Destination destination;
  StorageFlags storage;
  std::string importance;
  std::string report;  // a text
  std::size_t window = 512;
  std::size_t windows = 4;
};

using Types = std::map<std::string, std::size_t>;

/// The source's distributions are kept in a file meanwhile, so that one model is loaded at a time.
Result<inference::Divergence> measure(Context& context, const Options& options,
                                      const std::filesystem::path& original,
                                      const std::filesystem::path& changed) {
  WEFT_TRY(text, read_input(context, options.report, kTextBytesMax));
  WEFT_TRY(backend, open_backend(context));
  Progress progress(context.console, "windows", Progress::Unit::kItems);
  inference::PerplexityOptions scoring;
  scoring.window = options.window;
  scoring.windows_max = options.windows;
  scoring.stop = context.stop;
  scoring.on_window = [&](std::size_t done, std::size_t total) { progress.update(done, total); };
  const auto with_session = [&](const std::filesystem::path& path,
                                const auto& use) -> Result<void> {
    WEFT_TRY(model, inference::Model::load(path, *backend));
    WEFT_TRY(session, inference::Session::open(model, {.context_length_max = options.window}));
    return use(session);
  };
  std::optional<inference::DivergenceMeter> meter;
  progress.label("windows, " + options.source);
  WEFT_TRY_VOID(with_session(original, [&](inference::Session& session) -> Result<void> {
    const auto ids = session.model().tokenizer().encode(text, false);
    const auto directory =
        changed.has_parent_path() ? changed.parent_path() : std::filesystem::path(".");
    WEFT_TRY(opened, inference::DivergenceMeter::open(directory, ids, scoring));
    meter.emplace(std::move(opened));
    return meter->original(session);
  }));
  inference::Divergence found;
  progress.label("windows, " + options.destination.given);
  WEFT_TRY_VOID(with_session(changed, [&](inference::Session& session) -> Result<void> {
    WEFT_TRY(measured, meter->changed(session));
    found = measured;
    return {};
  }));
  return found;
}

nlohmann::ordered_json report_json(const inference::Divergence& found) {
  return {{"perplexity_source", found.perplexity_original},
          {"perplexity", found.perplexity_changed},
          {"mean_kl", found.mean_kl},
          {"largest_kl", found.largest_kl},
          {"same_top_token", found.same_top_token},
          {"tokens_scored", found.tokens}};
}

std::string report_text(const inference::Divergence& found) {
  return "perplexity " + fixed(found.perplexity_original, 4) + " -> " +
         fixed(found.perplexity_changed, 4) + ", mean KL " + fixed(found.mean_kl, 5) +
         " nats (largest " + fixed(found.largest_kl, 3) + "), the same likeliest token in " +
         fixed(100 * found.same_top_token, 1) + " % of " + std::to_string(found.tokens) +
         " places\n";
}

Result<ExitCode> run_quantize(Context& context, const Options& options) {
  WEFT_TRY(file, open_model_file(context, options.source));
  WEFT_TRY(plan, type_plan_of(options.storage));
  inference::WriteModelOptions writing;
  WEFT_TRY(types, inference::plan_types(file.tensors(), plan));
  writing.types = std::move(types);
  std::optional<inference::ImportanceMatrix> importance;
  if (!options.importance.empty()) {
    WEFT_TRY(opened, inference::ImportanceMatrix::open(options.importance));
    importance.emplace(std::move(opened));
    writing.importance = &*importance;
  }
  writing.allow_requantize = options.storage.allow_requantize;
  writing.threads = writing_threads(context);
  writing.stop = context.stop;
  Progress progress(context.console, options.destination.given, Progress::Unit::kBytes);
  writing.on_progress = [&](std::uint64_t done, std::uint64_t total) {
    progress.update(done, total);
  };
  auto metadata = inference::GgufMetadata::copy_of(file);
  describe_types(metadata, plan);
  inference::WrittenModel written;
  WEFT_TRY(made, make_model(context, options.destination,
                            "quantize:" + options.source + " --type " + options.storage.type,
                            [&](const std::filesystem::path& path) -> Result<void> {
                              WEFT_TRY(done, write_model(inference::GgufTensors(file), metadata,
                                                         path, writing));
                              written = done;
                              return {};
                            }));
  progress.clear();
  if (importance && written.with_importance == 0) {
    context.console.warn("the importance matrix names no tensor of this model that was quantised");
  }
  Types counts;
  for (const auto type : writing.types) ++counts[std::string(to_string(type))];
  auto json = written_json(made, written);
  json["source_size_bytes"] = file.size_bytes();
  json["tensor_types"] = counts;
  std::string text =
      "from " + human_bytes(file.size_bytes()) + " to " + written_text(made, written);
  if (!options.report.empty()) {
    WEFT_TRY(found, measure(context, options, file.path(), made.path));
    json["report"] = report_json(found);
    text += report_text(found);
  }
  if (context.console.json_result()) {
    context.console.print_json(json);
  } else {
    context.console.print(text);
  }
  return ExitCode::kDone;
}

}  // namespace

void add_model_quantize(CLI::App& model, Parsed& parsed) {
  auto* verb = model.add_subcommand("quantize", "Store a model's weights in another format");
  const auto options = std::make_shared<Options>();
  std::string names;
  for (const auto& known : inference::quantizations()) {
    names += (names.empty() ? "" : ", ") + std::string(known.name);
  }
  verb->add_option("source", options->source, "A model here or a GGUF file")->required();
  verb->add_option("destination", options->destination.given,
                   "A name for the model store, or a path ending in .gguf")
      ->required();
  verb->add_option("-t,--type", options->storage.type, "The format: " + names)
      ->required()
      ->type_name("TYPE");
  add_storage_flags(*verb, options->storage);
  verb->add_option(
          "--imatrix", options->importance,
          "How much each column matters: a file of `weft model imatrix` or llama.cpp's tool")
      ->type_name("FILE");
  verb->add_option("--report", options->report,
                   "Score this text with both: perplexity, KL divergence, size")
      ->type_name("TEXT");
  verb->add_option("--ctx", options->window, "Tokens a window of the report")
      ->capture_default_str()
      ->check(whole_number);
  verb->add_option("--windows", options->windows, "Windows of the report; 0 = all")
      ->capture_default_str()
      ->check(whole_number);
  verb->add_flag("--force", options->destination.force, "Replace a file that is there");
  add_setting(*verb, parsed, "--threads", "engine.threads");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_quantize(context, *options); };
  });
}

}  // namespace weft::cli
