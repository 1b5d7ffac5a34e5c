// `weft index`: brings a collection up to date with a folder of documents.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/collections.h"
#include "cli/verbs.h"
#include "inference/wordpiece.h"
#include "retrieval/chunker.h"
#include "retrieval/indexer.h"
#include "retrieval/reader.h"

namespace weft::cli {
namespace {

using retrieval::IndexEvent;
using retrieval::IndexOutcome;
using Json = nlohmann::ordered_json;

struct Options {
  std::string directory;
  bool prune = false;
  bool verbose = false;
};

Json event_json(const IndexEvent& event) {
  Json json = {{"outcome", to_string(event.outcome)}, {"source", event.source}};
  if (!event.reason.empty()) json["reason"] = event.reason;
  json["bytes"] = event.bytes;
  json["passages"] = event.passages;
  if (event.position > 0) {
    json["position"] = event.position;
    json["total"] = event.total;
  }
  return json;
}

bool tells_a_person(const IndexEvent& event, bool verbose) {
  switch (event.outcome) {
    case IndexOutcome::kFailed:
    case IndexOutcome::kVanished:
    case IndexOutcome::kPruned:
      return true;
    case IndexOutcome::kUnchanged:
    case IndexOutcome::kSkipped:
    case IndexOutcome::kIndexed:
    case IndexOutcome::kReplaced:
      return verbose;
  }
  return true;
}

Json summary_json(const retrieval::IndexSummary& summary, const std::string& collection) {
  return {{"collection", collection},      {"indexed", summary.indexed},
          {"replaced", summary.replaced},  {"unchanged", summary.unchanged},
          {"failed", summary.failed},      {"skipped", summary.skipped},
          {"vanished", summary.vanished},  {"pruned", summary.pruned},
          {"passages", summary.passages},  {"bytes", summary.bytes},
          {"interrupted", summary.stopped}};
}

std::string summary_text(const retrieval::IndexSummary& summary, const std::string& collection,
                         double seconds) {
  std::string text = "Collection \"" + collection + "\": " + std::to_string(summary.indexed) +
                     " new, " + std::to_string(summary.replaced) + " changed, " +
                     std::to_string(summary.unchanged) + " unchanged";
  const auto add = [&](std::size_t count, const char* what) {
    if (count > 0) text += ", " + std::to_string(count) + " " + what;
  };
  add(summary.failed, "failed");
  add(summary.skipped, "skipped (--verbose says why)");
  add(summary.vanished, "vanished (remove them with --prune)");
  add(summary.pruned, "removed");
  text += "; " + std::to_string(summary.passages) + " passages from " + human_bytes(summary.bytes) +
          " in " + human_duration(seconds) + ".\n";
  return text + (summary.stopped ? "Interrupted; run it again to go on.\n" : "");
}

std::size_t mebibytes(const Config& config, std::string_view key) {
  return static_cast<std::size_t>(config.integer(key)) << 20;
}

Result<ExitCode> run_index(Context& context, const Options& options) {
  std::error_code error;
  std::filesystem::create_directories(context.data_home, error);
  if (error) {
    return Error{ErrorCode::kIo, "cannot make " + context.data_home.string() + ": " +
                                     error.message() + "; set WEFT_HOME to a writable place"};
  }
  WEFT_TRY(store, retrieval::CollectionStore::open(context.data_home / "weft.db",
                                                   retrieval::CollectionStore::Mode::kWrite));
  const Config& config = context.config;
  Console& console = context.console;
  Progress progress(console, "indexing", Progress::Unit::kItems);

  retrieval::ReadOptions reading;
  reading.bytes_max = mebibytes(config, "index.file_mb_max");
  reading.pdf_memory_bytes_max = mebibytes(config, "index.pdf_memory_mb");
  reading.pdf_timeout = std::chrono::seconds(config.integer("index.pdf_seconds"));
  reading.stop = context.stop;
  const auto reader = [&](const std::filesystem::path& path, std::string_view bytes) {
    return retrieval::read_document(path.string(), std::string(bytes), reading);
  };
  const inference::WordPiece wordpiece = inference::WordPiece::bert_base_uncased();
  const auto chunker = [&](const retrieval::Extracted& extracted) {
    return retrieval::chunk(extracted,
                            [&](std::string_view text) { return wordpiece.count(text); });
  };

  retrieval::IndexOptions indexing;
  indexing.collection = config.string("retrieval.collection");
  indexing.reader_version =
      std::to_string(retrieval::kReaderVersion) + "." + std::to_string(retrieval::kChunkerVersion);
  indexing.file_bytes_max = mebibytes(config, "index.file_mb_max");
  indexing.prune = options.prune;
  indexing.stop = context.stop;
  indexing.on_event = [&](const IndexEvent& event) {
    if (console.json_log()) console.log_json(event_json(event));
    if (!console.json_log() && tells_a_person(event, options.verbose)) {
      progress.clear();
      console.note(std::string(to_string(event.outcome)) + ": " + event.source +
                   (event.reason.empty() ? "" : ": " + event.reason));
    }
    if (event.position > 0) progress.update(event.position, event.total);
  };
  const auto start = std::chrono::steady_clock::now();
  WEFT_TRY(summary,
           retrieval::index_directory(store, options.directory, reader, chunker, indexing));
  progress.clear();
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (console.json_result()) {
    console.print_json(summary_json(summary, indexing.collection));
  } else {
    console.print(summary_text(summary, indexing.collection, seconds));
  }
  if (summary.stopped) return ExitCode::kInterrupted;
  return summary.failed > 0 ? ExitCode::kPartial : ExitCode::kDone;
}

}  // namespace

void add_index(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand(
      "index", "Read the .txt, .md, .html and .pdf files of a folder into a collection");
  const auto options = std::make_shared<Options>();
  verb->add_option("directory", options->directory, "The folder, with all below it")
      ->required()
      ->type_name("DIR");
  verb->add_flag("--prune", options->prune, "Remove documents whose files have vanished");
  verb->add_flag("-v,--verbose", options->verbose, "Name every file");
  add_setting(*verb, parsed, "-c,--collection", "retrieval.collection");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_index(context, *options); };
  });
}

}  // namespace weft::cli
