// `weft embed`: texts as vectors whose dot product says how close they are in meaning.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/batch.h"
#include "cli/models.h"
#include "cli/text_input.h"
#include "cli/verbs.h"
#include "inference/embedder.h"

namespace weft::cli {
namespace {

using inference::Embedder;
using inference::EmbedRole;
using Json = nlohmann::ordered_json;

constexpr std::size_t kTextBytesMax = 16 << 20;
constexpr std::size_t kLinesAtOnce = 64;
constexpr std::size_t kShownValues = 8;  // on a terminal

const std::vector<std::string> kBatchKeys = {"text", "query", "id"};

struct Options {
  TextInput input;
  std::string batch;
  std::optional<std::string> prefix;
  std::size_t tokens_max = 0;
  bool query = false;
};

struct Loaded {
  std::shared_ptr<const Embedder> embedder;
  std::unique_ptr<inference::cpu::ThreadPool> pool;
  std::string name;
};

Result<Loaded> load(Context& context, const Options& options) {
  WEFT_TRY(tools, ModelTools::open(context));
  const std::string& name = context.config.string("embedding.model");
  WEFT_TRY(path, tools->store().path_of(name));
  WEFT_TRY(level, inference::cpu::choose_level(context.config.string("engine.cpu")));
  WEFT_TRY(precision, inference::embedder_precision(context.config.string("embedding.precision")));
  inference::EmbedderOptions opening;
  opening.precision = precision;
  opening.level = level;
  opening.tokens_max = options.tokens_max;
  if (options.prefix) opening.query_prefix = opening.document_prefix = options.prefix;
  WEFT_TRY(embedder, Embedder::open(path, opening));
  for (const std::string& warning : embedder->warnings()) context.console.warn(warning);
  auto pool = std::make_unique<inference::cpu::ThreadPool>(
      static_cast<std::size_t>(context.config.integer("engine.threads")));
  return Loaded{std::move(embedder), std::move(pool), name};
}

// The shortest decimals that stand for the float, which printed as a double would show noise.
std::string shortest(float value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

Json values_json(std::span<const float> values) {
  Json list = Json::array();
  for (const float value : values) {
    const std::string text = shortest(value);
    double number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    list.push_back(number);
  }
  return list;
}

Json row_json(const inference::Embeddings& made, std::size_t i) {
  return {{"embedding", values_json(made.row(i))},
          {"tokens", made.tokens[i]},
          {"tokens_cut", made.tokens_cut[i]}};
}

/// A batch line's text, under "text" or "query".
struct Wanted {
  std::string text;
  EmbedRole role;
};

Result<Wanted> wanted_of(const BatchLine& line, EmbedRole role) {
  if (line.has("text") == line.has("query")) {
    return Error{ErrorCode::kInvalidArgument, "give either \"text\" or \"query\""};
  }
  if (line.has("query")) {
    WEFT_TRY(query, line.string("query"));
    return Wanted{std::move(query), EmbedRole::kQuery};
  }
  WEFT_TRY(text, line.string("text"));
  return Wanted{std::move(text), role};
}

/// Embeds the lines of one role together and puts the rows where they belong.
Result<void> embed_lines(const Loaded& loaded, EmbedRole role,
                         const std::vector<Result<Wanted>>& wanted, std::stop_token stop,
                         std::vector<Result<Json>>& results) {
  std::vector<std::string_view> texts;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i] || wanted[i]->role != role) continue;
    texts.push_back(wanted[i]->text);
    places.push_back(i);
  }
  WEFT_TRY(made, loaded.embedder->embed(texts, *loaded.pool, {.role = role, .stop = stop}));
  for (std::size_t k = 0; k < places.size(); ++k) results[places[k]] = row_json(made, k);
  return {};
}

Result<ExitCode> run_lines(Context& context, const Options& options, const Loaded& loaded) {
  const EmbedRole usual = options.query ? EmbedRole::kQuery : EmbedRole::kDocument;
  return run_batch_groups(
      context, options.batch, kBatchKeys, kLinesAtOnce,
      [&](std::span<const BatchLine> lines) -> Result<std::vector<Result<Json>>> {
        std::vector<Result<Wanted>> wanted;
        std::vector<Result<Json>> results;
        for (const BatchLine& line : lines) {
          wanted.push_back(wanted_of(line, usual));
          results.push_back(wanted.back() ? Result<Json>(Json()) : wanted.back().error());
        }
        for (const EmbedRole role : {EmbedRole::kDocument, EmbedRole::kQuery}) {
          WEFT_TRY_VOID(embed_lines(loaded, role, wanted, context.stop, results));
        }
        return results;
      });
}

std::string values_text(std::span<const float> values, bool for_terminal) {
  const std::size_t shown = for_terminal ? std::min(kShownValues, values.size()) : values.size();
  std::string text;
  for (const float value : values.first(shown)) text += (text.empty() ? "" : " ") + shortest(value);
  if (shown < values.size()) {
    text += " ... (" + std::to_string(values.size() - shown) + " more: --json, or a pipe)";
  }
  return text + "\n";
}

Result<ExitCode> run_embed(Context& context, const Options& options) {
  std::string text;
  if (!options.batch.empty()) {
    if (options.input.text || !options.input.file.empty()) {
      return Error{ErrorCode::kInvalidArgument, "give either TEXT, --file or --batch"};
    }
  } else {
    WEFT_TRY(given, read_text(context, options.input, kTextBytesMax));
    text = std::move(given);
  }
  WEFT_TRY(loaded, load(context, options));
  if (!options.batch.empty()) return run_lines(context, options, loaded);
  inference::EmbedOptions embedding;
  embedding.role = options.query ? EmbedRole::kQuery : EmbedRole::kDocument;
  embedding.stop = context.stop;
  WEFT_TRY(made, loaded.embedder->embed(text, *loaded.pool, embedding));
  const std::string precision(to_string(loaded.embedder->precision()));
  Console& console = context.console;
  if (made.tokens_cut[0] > 0) {
    console.warn(std::to_string(made.tokens_cut[0]) + " tokens beyond the limit of " +
                 std::to_string(loaded.embedder->tokens_max()) +
                 " were left out; embed long texts in pieces");
  }
  if (console.json_result()) {
    Json json = row_json(made, 0);
    json["dimensions"] = made.width;
    json["pooling"] = to_string(loaded.embedder->pooling());
    json["precision"] = precision;
    json["model"] = loaded.name;
    console.print_json(json);
    return ExitCode::kDone;
  }
  if (console.out_is_terminal()) {
    console.print(std::to_string(made.width) + " dimensions, length 1, of " +
                  std::to_string(made.tokens[0]) + " tokens (" + loaded.name + ", " + precision +
                  ")\n");
  }
  console.print(values_text(made.row(0), console.out_is_terminal()));
  return ExitCode::kDone;
}

}  // namespace

void add_embed(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand("embed", "Turn a text into a vector of its meaning");
  const auto options = std::make_shared<Options>();
  add_text_input(*verb, options->input, "text");
  verb->add_flag("--query", options->query,
                 "The text is a query: put the model's query prefix before");
  verb->add_option("--prefix", options->prefix,
                   "Put this before the text, in place of the model's own")
      ->type_name("TEXT");
  verb->add_option("--tokens", options->tokens_max,
                   "Leave out what is beyond so many tokens; 0 = the model's limit")
      ->capture_default_str();
  add_batch_option(*verb, options->batch, "Embed", kBatchKeys);
  add_setting(*verb, parsed, "-m,--model", "embedding.model");
  add_setting(*verb, parsed, "--precision", "embedding.precision");
  add_setting(*verb, parsed, "--threads", "engine.threads");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_embed(context, *options); };
  });
}

}  // namespace weft::cli
