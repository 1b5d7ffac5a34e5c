// `weft collection`: the collections of documents on this machine.

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/collections.h"
#include "cli/verbs.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

Result<ExitCode> list(Context& context) {
  WEFT_TRY(store, open_store(context));
  WEFT_TRY(collections, store.collections());
  Json json = Json::array();
  std::string text;
  for (const auto& collection : collections) {
    json.push_back({{"name", collection.name},
                    {"documents", collection.documents},
                    {"passages", collection.passages}});
    text += collection.name + ": " + std::to_string(collection.documents) + " documents, " +
            std::to_string(collection.passages) + " passages\n";
  }
  if (context.console.json_result()) {
    context.console.print_json({{"collections", json}});
  } else {
    context.console.print(text);
  }
  return ExitCode::kDone;
}

Result<ExitCode> documents(Context& context) {
  WEFT_TRY(store, open_store(context));
  WEFT_TRY(found, store.documents(context.config.string("retrieval.collection")));
  Json json = Json::array();
  std::string text;
  for (const auto& document : found) {
    json.push_back({{"source", document.source},
                    {"root", document.root},
                    {"format", document.format},
                    {"title", document.title},
                    {"passages", document.passages},
                    {"sha256", document.sha256}});
    text += document.source + "  " +
            context.console.dim(document.format + ", " + std::to_string(document.passages) +
                                " passages") +
            "\n";
  }
  if (context.console.json_result()) {
    context.console.print_json({{"documents", json}});
  } else {
    context.console.print(text);
  }
  return ExitCode::kDone;
}

Result<ExitCode> remove(Context& context, const std::string& name) {
  WEFT_TRY_VOID(open_store(context));  // says so if nothing is there
  WEFT_TRY(store, retrieval::CollectionStore::open(context.data_home / "weft.db",
                                                   retrieval::CollectionStore::Mode::kWrite));
  WEFT_TRY_VOID(store.remove_collection(name));
  if (context.console.json_result()) {
    context.console.print_json({{"name", name}, {"removed", true}});
  } else {
    context.console.print(name + ": removed\n");
  }
  return ExitCode::kDone;
}

}  // namespace

void add_collection(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand("collection", "List and remove collections of documents");
  verb->require_subcommand(1);
  verb->add_subcommand("list", "List the collections")->callback([&parsed] {
    parsed.action = [](Context& context) { return list(context); };
  });
  auto* documents_verb = verb->add_subcommand("documents", "List the documents of a collection");
  add_setting(*documents_verb, parsed, "-c,--collection", "retrieval.collection");
  documents_verb->callback(
      [&parsed] { parsed.action = [](Context& context) { return documents(context); }; });
  auto* remove_verb = verb->add_subcommand("rm", "Remove a collection and all that is in it");
  const auto name = std::make_shared<std::string>();
  remove_verb->add_option("name", *name, "The collection")->required();
  remove_verb->callback([&parsed, name] {
    parsed.action = [=](Context& context) { return remove(context, *name); };
  });
}

}  // namespace weft::cli
