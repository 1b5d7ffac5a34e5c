// `weft show`: the text of a document that byte offsets refer to.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/nearest.h"
#include "cli/collections.h"
#include "cli/verbs.h"
#include "cli/whole_number.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string source;
  std::size_t start = 0;
  std::size_t end = std::string::npos;
};

Result<retrieval::DocumentInfo> find_one(retrieval::CollectionStore& store,
                                         const std::string& collection, const std::string& source) {
  WEFT_TRY(found, store.find_documents(collection, source));
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    WEFT_TRY(all, store.documents(collection));
    std::vector<std::string> names;
    for (const auto& document : all) names.push_back(document.source);
    return Error{ErrorCode::kNotFound, "no document \"" + source + "\" in collection \"" +
                                           collection + "\"" + did_you_mean(source, names)};
  }
  std::string roots;
  for (const auto& document : found) roots += "\n  " + document.root + "/" + document.source;
  return Error{ErrorCode::kInvalidArgument,
               "\"" + source + "\" is in several indexed folders; give the whole path:" + roots};
}

Result<ExitCode> run_show(Context& context, const Options& options) {
  WEFT_TRY(store, open_store(context));
  WEFT_TRY(info, find_one(store, context.config.string("retrieval.collection"), options.source));
  WEFT_TRY(document, store.read_document(info.id));
  const std::size_t end = std::min(options.end, document.text.size());
  if (options.start > end) {
    return Error{ErrorCode::kInvalidArgument,
                 "--start " + std::to_string(options.start) + " is past " +
                     (options.end < document.text.size() ? "--end " : "the document's end, byte ") +
                     std::to_string(end)};
  }
  const std::string text = document.text.substr(options.start, end - options.start);
  if (context.console.json_result()) {
    context.console.print_json({{"source", info.source},
                                {"root", info.root},
                                {"title", document.title},
                                {"format", document.format},
                                {"sha256", info.sha256},
                                {"passages", info.passages},
                                {"offsets_in_source", document.offsets_in_source},
                                {"start", options.start},
                                {"end", end},
                                {"text", text}});
    return ExitCode::kDone;
  }
  context.console.print(text);
  if (!text.empty() && text.back() != '\n' && context.console.out_is_terminal()) {
    context.console.print("\n");
  }
  return ExitCode::kDone;
}

}  // namespace

void add_show(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand("show", "Print the text of a document that offsets refer to");
  const auto options = std::make_shared<Options>();
  verb->add_option("source", options->source, "A source as `search` and `ask` name it")->required();
  verb->add_option("--start", options->start, "First byte")->type_name("BYTE")->check(whole_number);
  verb->add_option("--end", options->end, "Byte after the last one")
      ->type_name("BYTE")
      ->check(whole_number);
  add_setting(*verb, parsed, "-c,--collection", "retrieval.collection");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_show(context, *options); };
  });
}

}  // namespace weft::cli
