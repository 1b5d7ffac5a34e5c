#include "storage/migrations.h"

#include <array>
#include <catch2/catch.hpp>

#include "tests/fakes/temp_dir.h"

namespace weft::storage {
namespace {

const std::array<std::string, 3> kSteps = {
    "CREATE TABLE a(x)",
    "ALTER TABLE a ADD COLUMN y; UPDATE a SET y = x * 2",
    "CREATE TABLE b(z)",
};

Database create(const test::TempDir& folder) {
  auto database = Database::open(folder / "a.db", {.mode = Database::Mode::kCreate});
  REQUIRE(database);
  return *std::move(database);
}

TEST_CASE("an older file is brought to the newest version with what is in it") {
  const test::TempDir folder;
  auto database = create(folder);
  REQUIRE(migrate(database, std::span(kSteps).first(1)));
  REQUIRE(database.execute("INSERT INTO a(x) VALUES(21)"));
  const auto old = require_newest_version(database, kSteps);
  REQUIRE_FALSE(old);
  CHECK(old.error().code == ErrorCode::kUnsupported);
  CHECK_THAT(old.error().message, Catch::Contains("weft index"));

  REQUIRE(migrate(database, kSteps));
  CHECK(*schema_version(database) == 3);
  CHECK(require_newest_version(database, kSteps));
  auto statement = database.prepare("SELECT y FROM a");
  REQUIRE(*statement->step());
  CHECK(statement->integer(0) == 42);
  CHECK(migrate(database, kSteps));  // nothing left to do
}

TEST_CASE("a file of a newer program is refused, and isn't touched") {
  const test::TempDir folder;
  auto database = create(folder);
  REQUIRE(migrate(database, kSteps));
  for (const auto& refused : {migrate(database, std::span(kSteps).first(2)),
                              require_newest_version(database, std::span(kSteps).first(2))}) {
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kUnsupported);
    CHECK_THAT(refused.error().message, Catch::Contains("newer weft"));
  }
  CHECK(*schema_version(database) == 3);
}

TEST_CASE("a step that fails takes the steps before it along") {
  const test::TempDir folder;
  auto database = create(folder);
  const std::array<std::string, 2> broken = {"CREATE TABLE a(x)", "CREATE TABLE a(x)"};
  REQUIRE_FALSE(migrate(database, broken));
  CHECK(*schema_version(database) == 0);
  CHECK(migrate(database, kSteps));
}

TEST_CASE("another program's database is refused") {
  const test::TempDir folder;
  auto database = create(folder);
  REQUIRE(database.execute("CREATE TABLE theirs(x)"));
  CHECK(migrate(database, kSteps).error().code == ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace weft::storage
