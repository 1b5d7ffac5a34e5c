// `weft bench`: how fast the model runs here, beside what this machine allows.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "base/atomic_file.h"
#include "cli/bench_report.h"
#include "cli/models.h"
#include "cli/remote.h"
#include "cli/verbs.h"
#include "cli/whole_number.h"
#include "inference/benchmark.h"
#include "inference/cpu/machine_bounds.h"
#include "inference/embedder.h"
#include "inference/gguf.h"

namespace weft::cli {
namespace {

using inference::Benchmark;
using inference::Embedder;
using inference::MachineSpeed;
namespace cpu = inference::cpu;

constexpr std::size_t kPromptDefault = 512;
constexpr std::size_t kTextDefault = 128;  // tokens of a text that is embedded
constexpr std::size_t kSequencesMax = 1024;
constexpr std::size_t kRepeatMax = 1000;
constexpr std::size_t kTokensMax = std::size_t{1} << 24;  // more than any model's context

struct Options {
  std::optional<std::size_t> prompt;
  std::size_t generate = 64;
  std::size_t batch = 8;
  std::size_t context = 0;
  std::size_t repeat = 5;
  std::string svg;
};

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Result<void> check(const Options& options) {
  const auto refuse = [](const std::string& why) {
    return Error{ErrorCode::kInvalidArgument, why};
  };
  if (options.repeat == 0 || options.repeat > kRepeatMax) {
    return refuse("--repeat " + std::to_string(options.repeat) + ": 1 to " +
                  std::to_string(kRepeatMax) + " is possible");
  }
  if (options.batch > kSequencesMax) {
    return refuse("--batch " + std::to_string(options.batch) + ": at most " +
                  std::to_string(kSequencesMax) + " is possible");
  }
  if (std::max({options.prompt.value_or(0), options.generate, options.context}) > kTokensMax) {
    return refuse("--prompt, --generate, --context: at most " + std::to_string(kTokensMax) +
                  " tokens are possible");
  }
  if (options.generate == 1) {
    return refuse("--generate 1: the time from one token to the next needs 2; 0 leaves it out");
  }
  if (options.svg.empty()) return {};
  // A measurement takes minutes; where its picture can't go is said before.
  std::error_code error;  // a path that can't be looked at is no folder
  const auto folder = std::filesystem::absolute(options.svg, error).parent_path();
  const bool is_folder = std::filesystem::is_directory(options.svg, error);
  if (!is_folder && std::filesystem::is_directory(folder, error)) return {};
  return refuse("--svg " + options.svg + ": " +
                (is_folder ? "that is a folder" : "there is no folder " + folder.string()));
}

struct Measurement {
  BenchFigure figure;
  std::function<Result<double>()> tokens_per_s;
};

/// All measurements in turn, over and over, so that what else the machine does meets each of them.
Result<void> measure(Context& context, std::vector<Measurement>& measurements,
                     BenchReport& report) {
  Progress progress(context.console, "measuring", Progress::Unit::kItems);
  const std::size_t total = report.repeat * measurements.size();
  std::vector<std::vector<double>> rates(measurements.size());
  std::size_t done = 0;
  for (std::size_t i = 0; i < report.repeat; ++i) {
    for (std::size_t j = 0; j < measurements.size(); ++j) {
      progress.update(done++, total);
      if (context.stop.stop_requested()) return Error{ErrorCode::kCancelled, "interrupted"};
      WEFT_TRY(rate, measurements[j].tokens_per_s());
      rates[j].push_back(rate);
    }
  }
  for (std::size_t j = 0; j < measurements.size(); ++j) {
    measurements[j].figure.tokens_per_s = median(rates[j]);
    report.figures.push_back(measurements[j].figure);
  }
  return {};
}

std::optional<double> known(double bound) {
  return bound > 0 ? std::optional(bound) : std::nullopt;
}

Result<void> bench_chat(Context& context, const Options& options, BenchReport& report) {
  constexpr std::size_t kBatchMax = inference::kStepTokensMax / 2;
  if (options.batch > kBatchMax) {
    return Error{ErrorCode::kInvalidArgument, "--batch " + std::to_string(options.batch) +
                                                  ": at most " + std::to_string(kBatchMax) +
                                                  " sequences decode at once"};
  }
  WEFT_TRY(engine, load_engine(context, {.chat = false}));
  Benchmark benchmark;
  benchmark.prompt = options.prompt.value_or(kPromptDefault);
  benchmark.generate = options.generate;
  benchmark.context = options.context;
  benchmark.sequences = options.batch;
  benchmark.seconds = seconds;
  benchmark.stop = context.stop;
  WEFT_TRY(session, inference::Session::open(engine.model,
                                             {.context_length_max = benchmark.context_length()}));
  const MachineSpeed machine = {report.read_gb_per_s * 1e9,
                                report.multiply_gmac_per_s.value_or(0) * 1e9};
  const std::string generated = std::to_string(benchmark.generate) + " tokens";
  const std::string at = benchmark.context > 0 ? " after " + std::to_string(benchmark.context) : "";
  std::vector<Measurement> measurements;
  if (benchmark.prompt > 0) {
    measurements.push_back({{"prefill", std::to_string(benchmark.prompt) + " tokens", 0,
                             known(prefill_bound(*engine.model, machine)), "multiply-adds"},
                            [&] { return prefill_rate(session, benchmark); }});
  }
  if (benchmark.generate > 0) {
    measurements.push_back({{"decode", generated + at, 0,
                             known(decode_bound(*engine.model, machine, benchmark)), "memory"},
                            [&] { return decode_rate(session, benchmark); }});
  }
  if (benchmark.generate > 0 && benchmark.sequences > 0) {
    measurements.push_back(
        {{"batch", generated + " x " + std::to_string(options.batch) + at, 0,
          known(batch_bound(*engine.model, machine, benchmark)), "memory and multiply-adds"},
         [&] { return batch_rate(engine.model, benchmark); }});
  }
  if (measurements.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "--prompt 0 and --generate 0 leave nothing to measure"};
  }
  return measure(context, measurements, report);
}

Result<void> bench_encoder(Context& context, const Options& options,
                           const std::filesystem::path& path, cpu::Level level,
                           BenchReport& report) {
  if (options.prompt == 0 || options.batch == 0) {
    return Error{ErrorCode::kInvalidArgument,
                 "--prompt 0 or --batch 0 leaves nothing to measure of an embedding model"};
  }
  inference::EmbedderOptions opening;
  opening.level = level;
  opening.tokens_max = options.prompt.value_or(kTextDefault);
  WEFT_TRY(precision, inference::embedder_precision(context.config.string("embedding.precision")));
  opening.precision = precision;
  WEFT_TRY(embedder, Embedder::open(path, opening));
  cpu::ThreadPool pool(report.threads);
  std::string text;  // a token a word, or more, and cut to the tokens asked for
  for (std::size_t i = 0; i < opening.tokens_max; ++i) text += "word ";
  const std::vector<std::string_view> texts(options.batch, text);
  const auto rate = [&]() -> Result<double> {
    inference::EmbedOptions embedding;
    embedding.stop = context.stop;
    const double start = seconds();
    WEFT_TRY(made, embedder->embed(texts, pool, embedding));
    const double taken = seconds() - start;
    return static_cast<double>(
               std::accumulate(made.tokens.begin(), made.tokens.end(), std::size_t{0})) /
           taken;
  };
  BenchFigure figure;
  figure.name = "embed";
  figure.what = std::to_string(texts.size()) + " x " + std::to_string(opening.tokens_max) +
                " tokens, " + std::string(to_string(precision));
  figure.bounded_by = "multiply-adds";
  // The rate is that of 8-bit multiplies.
  if (precision == inference::EmbedderPrecision::kInt8 && report.multiply_gmac_per_s) {
    figure.bound = *report.multiply_gmac_per_s * 1e9 / embedder->macs_per_token();
  }
  std::vector<Measurement> measurements = {{figure, rate}};
  return measure(context, measurements, report);
}

/// A folder, or a GGUF file of the architecture bert.
Result<bool> is_encoder(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path) || path.extension() == ".safetensors") return true;
  WEFT_TRY(file, inference::GgufFile::open(path));
  const auto architecture = file.string("general.architecture");
  return architecture && *architecture == "bert";
}

Result<ExitCode> run_bench(Context& context, const Options& options) {
  WEFT_TRY_VOID(check(options));
  if (remote_name(context.config)) {
    return Error{ErrorCode::kUnsupported,
                 context.config.string("model.name") +
                     " is a remote model: `weft bench` measures the engine in this process beside "
                     "this machine's bounds, and knows neither of a server. Measure there, with "
                     "its own tool (llama-bench for llama-server), or see the `timing` of real "
                     "requests: weft complete --json --batch FILE --model " +
                     context.config.string("model.name")};
  }
  BenchReport report;
  report.model = context.config.string("model.name");
  report.repeat = options.repeat;
  WEFT_TRY(level, cpu::choose_level(context.config.string("engine.cpu")));
  report.level = to_string(level);
  report.threads =
      cpu::ThreadPool(static_cast<std::size_t>(context.config.integer("engine.threads"))).size();
  WEFT_TRY(tools, ModelTools::open(context));
  WEFT_TRY(path, tools->store().path_of(report.model));
  WEFT_TRY(encoder, is_encoder(path));

  Progress progress(context.console, "measuring the machine", Progress::Unit::kItems);
  progress.update(0, 2);
  WEFT_TRY(read, cpu::read_bytes_per_s(report.threads, context.stop));
  report.read_gb_per_s = read * 1e-9;
  progress.update(1, 2);
  // Most of an encoder's weights have 7 bits; of other models' formats the narrow are the fastest.
  if (const auto rate = cpu::macs_per_s(level, report.threads,
                                        encoder ? cpu::WeightBits::k7 : cpu::WeightBits::k6)) {
    report.multiply_gmac_per_s = *rate * 1e-9;
  }
  progress.clear();

  if (encoder) {
    WEFT_TRY_VOID(bench_encoder(context, options, path, level, report));
  } else {
    WEFT_TRY_VOID(bench_chat(context, options, report));
  }
  if (!options.svg.empty()) WEFT_TRY_VOID(write_file_atomically(options.svg, bench_svg(report)));
  if (context.console.json_result()) {
    context.console.print_json(bench_json(report));
  } else {
    context.console.print(bench_table(report));
  }
  return ExitCode::kDone;
}

}  // namespace

void add_bench(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand(
      "bench", "Measure how fast the model runs here, beside what the machine allows");
  const auto options = std::make_shared<Options>();
  verb->add_option("--prompt", options->prompt,
                   "Tokens that prefill reads [512], or of each text that an encoder embeds [128]; "
                   "0 = leave it out")
      ->check(whole_number);
  verb->add_option("--generate", options->generate,
                   "Tokens that decoding adds; 0 = leave decode and batch out")
      ->capture_default_str()
      ->check(whole_number);
  verb->add_option("--batch", options->batch,
                   "Sequences that decode together, or texts embedded together; 0 = leave it out")
      ->capture_default_str()
      ->check(whole_number);
  verb->add_option("--context", options->context, "Tokens that are there before decoding begins")
      ->capture_default_str()
      ->check(whole_number);
  verb->add_option("--repeat", options->repeat, "Measure so often; medians are shown")
      ->capture_default_str()
      ->check(whole_number);
  verb->add_option("--svg", options->svg, "Write a picture of the figures to this file")
      ->type_name("FILE");
  add_setting(*verb, parsed, "-m,--model", "model.name");
  add_setting(*verb, parsed, "--precision", "embedding.precision");
  add_setting(*verb, parsed, "--threads", "engine.threads");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_bench(context, *options); };
  });
}

}  // namespace weft::cli
