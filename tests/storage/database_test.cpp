#include "storage/database.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/fakes/temp_dir.h"

namespace weft::storage {
namespace {

using Mode = Database::Mode;

Database create(const std::filesystem::path& path) {
  auto database = Database::open(path, {.mode = Mode::kCreate});
  REQUIRE(database);
  REQUIRE(
      database->execute("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, word TEXT UNIQUE)"));
  return *std::move(database);
}

std::int64_t number(Database& database, std::string_view sql) {
  auto statement = database.prepare(sql);
  REQUIRE(statement);
  const auto row = statement->step();
  REQUIRE(row);
  REQUIRE(*row);
  return statement->integer(0);
}

Result<void> insert(Database& database, std::string_view word) {
  WEFT_TRY(statement, database.prepare("INSERT INTO t(word) VALUES(?1)", word));
  return statement.run();
}

TEST_CASE("values of every type come back as they were bound") {
  const test::TempDir folder;
  auto database = create(folder / "a.db");
  const std::string text("zero\0inside", 11);
  const std::vector<std::byte> blob = {std::byte{0}, std::byte{255}};
  auto statement = database.prepare("SELECT ?1, ?2, ?3, ?4, ?5, ?6", std::int64_t{-5}, 0.5, text,
                                    std::span<const std::byte>(blob), std::nullopt, "");
  REQUIRE(statement);
  REQUIRE(*statement->step());
  CHECK(statement->integer(0) == -5);
  CHECK(statement->real(1) == 0.5);
  CHECK(statement->text(2) == text);
  CHECK(std::ranges::equal(statement->blob(3), blob));
  CHECK(statement->is_null(4));
  CHECK(statement->text(4).empty());
  CHECK_FALSE(statement->is_null(5));  // an empty text isn't NULL
  CHECK_FALSE(*statement->step());
}

TEST_CASE("a file that can't be opened is named with the system's reason") {
  const test::TempDir folder;
  const auto in_the_way = Database::open(folder.path(), {.mode = Mode::kCreate});
  REQUIRE_FALSE(in_the_way);
  CHECK(in_the_way.error().message.find(folder.path().string()) != std::string::npos);
  CHECK(in_the_way.error().message.find("(Is a directory)") != std::string::npos);
}

TEST_CASE("a statement is compiled once, and two runs of it don't disturb each other") {
  const test::TempDir folder;
  auto database = create(folder / "a.db");
  for (const auto* word : {"a", "b"}) REQUIRE(insert(database, word));
  auto outer = database.prepare("SELECT word FROM t ORDER BY id");
  REQUIRE(outer);
  REQUIRE(*outer->step());
  {
    auto inner = database.prepare("SELECT word FROM t ORDER BY id");
    REQUIRE(inner);
    REQUIRE(*inner->step());
    REQUIRE(*inner->step());
    CHECK(inner->text(0) == "b");
  }
  CHECK(outer->text(0) == "a");
  // A kept statement forgets its values.
  { REQUIRE(database.prepare("SELECT ?1", "kept")->step()); }
  auto again = database.prepare("SELECT ?1");
  REQUIRE(*again->step());
  CHECK(again->is_null(0));
}

TEST_CASE("an open connection has the settings that durability and safety need") {
  const test::TempDir folder;
  auto database = create(folder / "a.db");
  CHECK(number(database, "PRAGMA synchronous") == 2);
  CHECK(number(database, "PRAGMA foreign_keys") == 1);
  CHECK(number(database, "PRAGMA trusted_schema") == 0);
  CHECK(number(database, "PRAGMA secure_delete") == 1);
  auto mode = database.prepare("PRAGMA journal_mode");
  REQUIRE(*mode->step());
  CHECK(mode->text(0) == "wal");
  CHECK_FALSE(database.execute("SELECT load_extension('x')"));
  // A name in double quotes that is no column is an error, not a text.
  CHECK_FALSE(database.execute("SELECT \"no such column\""));
}

TEST_CASE("a transaction that isn't committed leaves nothing") {
  const test::TempDir folder;
  auto database = create(folder / "a.db");
  {
    auto transaction = Transaction::begin(database);
    REQUIRE(transaction);
    REQUIRE(insert(database, "lost"));
  }
  CHECK_FALSE(database.in_transaction());
  auto transaction = Transaction::begin(database);
  REQUIRE(insert(database, "kept"));
  REQUIRE(transaction->commit());
  CHECK_FALSE(transaction->commit());
  CHECK(number(database, "SELECT count(*) FROM t") == 1);
}

TEST_CASE("a snapshot sees one version, whatever others commit") {
  const test::TempDir folder;
  auto writer = create(folder / "a.db");
  auto reader = Database::open(folder / "a.db", {.mode = Mode::kRead});
  REQUIRE(reader);
  {
    const auto snapshot = Snapshot::begin(*reader);
    REQUIRE(snapshot);
    REQUIRE(insert(writer, "later"));
    CHECK(number(*reader, "SELECT count(*) FROM t") == 0);
  }
  CHECK(number(*reader, "SELECT count(*) FROM t") == 1);
}

TEST_CASE("failures say what they are") {
  const test::TempDir folder;
  auto database = create(folder / "a.db");

  SECTION("a file that isn't there") {
    const auto missing = Database::open(folder / "none.db", {.mode = Mode::kReadWrite});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().code == ErrorCode::kNotFound);
    CHECK_FALSE(std::filesystem::exists(folder / "none.db"));
  }
  SECTION("a file that is no database") {
    std::ofstream(folder / "text.db") << std::string(5000, 'x');
    for (const auto mode : {Mode::kRead, Mode::kCreate}) {
      const auto text = Database::open(folder / "text.db", {.mode = mode});
      REQUIRE_FALSE(text);
      CHECK(text.error().code == ErrorCode::kCorrupt);
    }
  }
  SECTION("a unique value twice") {
    REQUIRE(insert(database, "a"));
    CHECK(insert(database, "a").error().code == ErrorCode::kAlreadyExists);
  }
  SECTION("wrong SQL") {
    CHECK(database.prepare("SELEC 1").error().code == ErrorCode::kInvalidArgument);
    CHECK(database.prepare("").error().code == ErrorCode::kInvalidArgument);
  }
  SECTION("a value for a position that isn't there") {
    auto statement = database.prepare("SELECT ?1", 1, 2);
    REQUIRE(statement);
    CHECK_FALSE(statement->step());
  }
  SECTION("a reader that writes") {
    auto reader = Database::open(folder / "a.db", {.mode = Mode::kRead});
    REQUIRE(reader);
    CHECK(insert(*reader, "a").error().code == ErrorCode::kIo);
  }
  SECTION("a second writer") {
    auto second = Database::open(
        folder / "a.db", {.mode = Mode::kReadWrite, .busy_timeout = std::chrono::milliseconds(1)});
    REQUIRE(second);
    const auto transaction = Transaction::begin(database);
    REQUIRE(transaction);
    const auto refused = Transaction::begin(*second);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kConflict);
    CHECK_THAT(refused.error().message, Catch::Contains("another process is writing"));
  }
}

TEST_CASE("a damaged page is found") {
  const test::TempDir folder;
  {
    auto database = create(folder / "a.db");
    REQUIRE(insert(database, std::string(50'000, 'a')));
    REQUIRE(database.check_integrity());
    REQUIRE(database.checkpoint());
  }
  std::fstream file(folder / "a.db", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(4096, '\x7f');
  file.close();
  auto database = Database::open(folder / "a.db", {.mode = Mode::kReadWrite});
  REQUIRE(database);
  CHECK(database->check_integrity().error().code == ErrorCode::kCorrupt);
}

TEST_CASE("a full disk is an error, and the old state stays") {
  const test::TempDir folder;
  auto database = create(folder / "a.db");
  REQUIRE(insert(database, "old"));
  const auto pages = number(database, "PRAGMA page_count");
  REQUIRE(database.execute("PRAGMA max_page_count=" + std::to_string(pages + 2)));
  {
    auto transaction = Transaction::begin(database);
    REQUIRE(transaction);
    REQUIRE(insert(database, "new"));
    const auto full = insert(database, std::string(100'000, 'x'));
    REQUIRE_FALSE(full);
    CHECK(full.error().code == ErrorCode::kIo);
    CHECK_THAT(full.error().message, Catch::Contains("disk full"));
  }
  CHECK(number(database, "SELECT count(*) FROM t") == 1);
  CHECK(insert(database, "after"));
  CHECK(database.check_integrity());
}

// In a process of its own that gives root's rights up, to which no folder is read-only.
TEST_CASE("a database in a read-only folder can be read") {
  const test::TempDir folder;
  const auto locked = folder / "a?b#c%20d";
  std::filesystem::create_directory(locked);
  {
    auto database = create(locked / "a.db");
    REQUIRE(insert(database, "word"));
  }
  std::filesystem::permissions(locked, std::filesystem::perms(0555));
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (::geteuid() == 0 && ::setuid(kNobody) != 0) ::_exit(1);
    auto database = Database::open(locked / "a.db", {.mode = Mode::kRead});
    if (!database) ::_exit(2);
    auto statement = database->prepare("SELECT word FROM t");
    if (!statement) ::_exit(3);
    const auto row = statement->step();
    ::_exit(row && *row && statement->text(0) == "word" ? 0 : 4);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  std::filesystem::permissions(locked, std::filesystem::perms(0755));
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("an interrupt stops a statement that runs too long") {
  const test::TempDir folder;
  auto database = create(folder / "a.db");
  int asked = 0;
  database.set_interrupt([&] { return ++asked == 3; });
  const auto stopped = database.execute(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n");
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == ErrorCode::kCancelled);
  database.set_interrupt({});
  CHECK(insert(database, "a"));
}

}  // namespace
}  // namespace weft::storage
