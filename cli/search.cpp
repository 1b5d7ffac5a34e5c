// `weft search`: the passages that match a query best.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/batch.h"
#include "cli/collections.h"
#include "cli/json_output.h"
#include "cli/text.h"
#include "cli/verbs.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kSnippetBytesMax = 320;

const std::vector<std::string> kBatchKeys = {"query", "id"};

struct Options {
  std::string query;
  std::string batch;
};

Json hits_json(const std::vector<retrieval::PassageHit>& hits) {
  Json list = Json::array();
  for (const auto& hit : hits) list.push_back(passage_json(hit));
  return {{"passages", std::move(list)}};
}

Result<ExitCode> run_search(Context& context, const Options& options) {
  if (options.query.empty() == options.batch.empty()) {
    return Error{ErrorCode::kInvalidArgument, "give either QUERY or --batch FILE"};
  }
  WEFT_TRY(store, open_store(context));
  const auto find = [&](std::string_view query) {
    return store.search(context.config.string("retrieval.collection"), query,
                        static_cast<std::size_t>(context.config.integer("retrieval.passages")),
                        {.stop_words = stop_words(context.config), .stop = context.stop});
  };
  if (!options.batch.empty()) {
    return run_batch(context, options.batch, kBatchKeys,
                     [&](const BatchLine& line) -> Result<Json> {
                       WEFT_TRY(query, line.string("query"));
                       WEFT_TRY(hits, find(query));
                       return hits_json(hits);
                     });
  }
  WEFT_TRY(hits, find(options.query));
  Console& console = context.console;
  if (console.json_result()) {
    console.print_json(hits_json(hits));
    return ExitCode::kDone;
  }
  if (hits.empty()) console.note("no passage has any of these words");
  std::string text;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    const auto& hit = hits[i];
    text += std::to_string(i + 1) + ". " + console.bold(byte_span(hit.source, hit.start, hit.end)) +
            "  " + console.dim("score " + fixed(hit.score, 2)) + "\n";
    if (!hit.heading_path.empty()) text += "   " + console.dim(hit.heading_path) + "\n";
    text += "   " + one_line(hit.text, kSnippetBytesMax) + "\n";
  }
  console.print(text);
  return ExitCode::kDone;
}

}  // namespace

void add_search(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand("search", "Find the passages that match a query best (BM25)");
  const auto options = std::make_shared<Options>();
  verb->add_option("query", options->query, "Words to look for, any of them")->type_name("QUERY");
  add_batch_option(*verb, options->batch, "Search for", kBatchKeys);
  add_setting(*verb, parsed, "-c,--collection", "retrieval.collection");
  add_setting(*verb, parsed, "-k,--passages", "retrieval.passages");
  add_setting(*verb, parsed, "--stop-words", "retrieval.stop_words");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_search(context, *options); };
  });
}

}  // namespace weft::cli
