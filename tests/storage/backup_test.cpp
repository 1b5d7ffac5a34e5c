#include "storage/backup.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/fakes/temp_dir.h"

namespace weft::storage {
namespace {

namespace fs = std::filesystem;

Database filled(const fs::path& path) {
  auto database = Database::open(path, {.mode = Database::Mode::kCreate});
  REQUIRE(database);
  // 3000 rows of a page each, so that the copy takes several steps.
  REQUIRE(
      database->execute("CREATE TABLE t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + "
                        "1 FROM n LIMIT 3000)"
                        " INSERT INTO t SELECT printf('%.4000c', 'x') FROM n"));
  return *std::move(database);
}

std::int64_t rows(const fs::path& path) {
  auto database = Database::open(path, {});
  REQUIRE(database);
  auto statement = database->prepare("SELECT count(*) FROM t");
  REQUIRE(statement);
  REQUIRE(*statement->step());
  return statement->integer(0);
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST_CASE("a backup holds what was there when it began, though others write meanwhile") {
  const test::TempDir folder;
  fs::create_directory(folder / "out");
  auto source = filled(folder / "a.db");
  auto writer = Database::open(folder / "a.db", {.mode = Database::Mode::kReadWrite});
  REQUIRE(writer);
  int steps = 0;
  BackupOptions options;
  options.on_progress = [&](std::int64_t done, std::int64_t pages) {
    CHECK(done <= pages);
    ++steps;
    CHECK(writer->execute("INSERT INTO t VALUES('later')"));
  };
  REQUIRE(backup(source, folder / "out" / "b.db", options));
  CHECK(steps >= 3);
  CHECK(steps <= 5);  // it never began anew
  CHECK(rows(folder / "out" / "b.db") == 3000);
  CHECK(rows(folder / "a.db") == 3000 + steps);
  CHECK_FALSE(source.in_transaction());
}

TEST_CASE("a backup is one file") {
  const test::TempDir folder;
  fs::create_directory(folder / "out");
  auto source = filled(folder / "a.db");
  REQUIRE(backup(source, folder / "out" / "b.db"));
  CHECK(files_in(folder / "out") == 1);
}

TEST_CASE("a backup doesn't overwrite unless told") {
  const test::TempDir folder;
  auto source = filled(folder / "a.db");
  std::ofstream(folder / "b.db") << "precious";
  CHECK(backup(source, folder / "b.db").error().code == ErrorCode::kAlreadyExists);
  CHECK(fs::file_size(folder / "b.db") == 8);
  BackupOptions options;
  options.overwrite = true;
  REQUIRE(backup(source, folder / "b.db", options));
  CHECK(rows(folder / "b.db") == 3000);
}

TEST_CASE("a backup that stops or fails leaves no file") {
  const test::TempDir folder;
  fs::create_directory(folder / "out");
  auto source = filled(folder / "a.db");
  std::stop_source stop;
  BackupOptions options;
  options.stop = stop.get_token();
  options.on_progress = [&](std::int64_t, std::int64_t) { stop.request_stop(); };
  CHECK(backup(source, folder / "out" / "b.db", options).error().code == ErrorCode::kCancelled);
  CHECK(files_in(folder / "out") == 0);
  CHECK(backup(source, folder / "no" / "b.db").error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("a backup never replaces the database itself, nor a folder") {
  const test::TempDir folder;
  auto source = filled(folder / "a.db");
  fs::create_symlink(folder / "a.db", folder / "link.db");
  for (const char* name : {"a.db", "link.db", "."}) {
    const auto made = backup(source, folder / name, {.overwrite = true});
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::kInvalidArgument);
  }
  CHECK(rows(folder / "a.db") == 3000);
}

}  // namespace
}  // namespace weft::storage
