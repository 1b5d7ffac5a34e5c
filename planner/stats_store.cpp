#include "planner/stats_store.h"

#include <array>
#include <nlohmann/json.hpp>
#include <span>

#include "base/sha256.h"
#include "storage/migrations.h"

namespace weft::planner {
namespace {

using Json = nlohmann::json;

storage::Migrations migrations() {
  static const std::array<std::string, 1> steps = {
      "CREATE TABLE book(id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL UNIQUE, "
      "json TEXT NOT NULL);"};
  return steps;
}

std::string hash(std::string_view text) {
  Sha256 sha;
  sha.update(std::as_bytes(std::span(text)));
  return sha.hex_digest();
}

/// Takes the option out of every node that is called so, however deep.
void erase_option(Json& json, const std::string& node, const std::string& option) {
  if (json.is_object() && json.contains("kind") && json.value("name", Json()) == Json(node)) {
    json.erase(option);
  }
  if (!json.is_structured()) return;
  for (auto& inside : json) erase_option(inside, node, option);
}

}  // namespace

std::string stats_scope(std::string_view graph_file) {
  Json json = Json::parse(graph_file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return hash(graph_file);
  const Json tuned = json.value("tune", Json::object());
  for (const char* key : {"$schema", "about", "budget", "timeout_s", "tune"}) json.erase(key);
  if (tuned.is_object()) {
    for (const auto& entry : tuned) {
      if (!entry.is_object() || !entry.contains("node") || !entry.contains("option")) continue;
      if (!entry["node"].is_string() || !entry["option"].is_string()) continue;
      erase_option(json, entry["node"].get<std::string>(), entry["option"].get<std::string>());
    }
  }
  return hash(json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Result<StatsStore> StatsStore::open(const std::filesystem::path& path, bool create) {
  using Mode = storage::Database::Mode;
  WEFT_TRY(database,
           storage::Database::open(path, {.mode = create ? Mode::kCreate : Mode::kReadWrite}));
  WEFT_TRY_VOID(storage::migrate(database, migrations()));
  // What a power failure takes, further runs show again.
  WEFT_TRY_VOID(database.execute("PRAGMA synchronous=NORMAL"));
  return StatsStore(std::move(database));
}

Result<StatsBook> StatsStore::book(std::string_view scope) {
  WEFT_TRY(select, database_.prepare("SELECT json FROM book WHERE scope=?1", scope));
  WEFT_TRY(is_there, select.step());
  if (!is_there) return StatsBook();
  auto book = StatsBook::from_json(select.text(0));
  if (!book) return Error{ErrorCode::kCorrupt, book.error().message};
  return book;
}

Result<void> StatsStore::add(std::string_view scope, const StatsBook& seen) {
  WEFT_TRY(transaction, storage::Transaction::begin(database_));
  WEFT_TRY(known, book(scope));
  known.add(seen);
  const std::string json = known.json();
  WEFT_TRY(save, database_.prepare("INSERT OR REPLACE INTO book(scope, json) VALUES(?1, ?2)", scope,
                                   std::string_view(json)));
  WEFT_TRY_VOID(save.run());
  // A book that is replaced gets a new id, so the highest are the latest.
  WEFT_TRY(trim, database_.prepare("DELETE FROM book WHERE scope<>?1 AND id NOT IN "
                                   "(SELECT id FROM book ORDER BY id DESC LIMIT ?2)",
                                   kMachineScope, std::int64_t{kBooksKept}));
  WEFT_TRY_VOID(trim.run());
  return transaction.commit();
}

}  // namespace weft::planner
