// `weft tokenize`: text as the model's token ids and pieces.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/batch.h"
#include "cli/text_input.h"
#include "cli/verbs.h"
#include "inference/gguf.h"
#include "inference/tokenizer.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kTextBytesMax = 256 << 20;

const std::vector<std::string> kBatchKeys = {"text", "special", "id"};

struct Options {
  TextInput input;
  std::string batch;
  bool special = false;
};

Json result_json(const inference::Tokenizer& tokenizer, const std::string& text, bool special) {
  const auto ids = tokenizer.encode(text, special);
  Json pieces = Json::array();
  for (const auto id : ids) pieces.push_back(tokenizer.piece(id, true));
  return {{"ids", ids}, {"pieces", pieces}, {"text", tokenizer.decode(ids, true)}};
}

// A piece as one readable word: control characters escaped, broken UTF-8 replaced.
std::string readable(std::string_view piece) {
  const std::string quoted = Json(piece).dump(-1, ' ', false, Json::error_handler_t::replace);
  return quoted;
}

Result<ExitCode> run_tokenize(Context& context, const Options& options) {
  std::string text;
  if (options.batch.empty()) {
    WEFT_TRY(given, read_text(context, options.input, kTextBytesMax));
    text = std::move(given);
  }
  WEFT_TRY(path, model_path(context));
  WEFT_TRY(file, inference::GgufFile::open(path));
  WEFT_TRY(tokenizer, inference::Tokenizer::from_gguf(file));
  if (!options.batch.empty()) {
    return run_batch(context, options.batch, kBatchKeys,
                     [&](const BatchLine& line) -> Result<Json> {
                       WEFT_TRY(line_text, line.string("text"));
                       WEFT_TRY(special, line.boolean("special", options.special));
                       return result_json(tokenizer, line_text, special);
                     });
  }
  if (context.console.json_result()) {
    context.console.print_json(result_json(tokenizer, text, options.special));
    return ExitCode::kDone;
  }
  std::string lines;
  for (const auto id : tokenizer.encode(text, options.special)) {
    lines += std::to_string(id) + "\t" + readable(tokenizer.piece(id, true)) + "\n";
  }
  context.console.print(lines);
  return ExitCode::kDone;
}

}  // namespace

void add_tokenize(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand("tokenize", "Show a text as the model's tokens: ids and pieces");
  const auto options = std::make_shared<Options>();
  add_text_input(*verb, options->input, "text");
  verb->add_flag("--special", options->special, "Parse control-token strings in the text");
  add_batch_option(*verb, options->batch, "Tokenize", kBatchKeys);
  add_setting(*verb, parsed, "-m,--model", "model.name");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_tokenize(context, *options); };
  });
}

}  // namespace weft::cli
