#include "storage/range_lock.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <optional>

#include "tests/fakes/temp_dir.h"

namespace weft::storage {
namespace {

/// Whether another process gets the lock on `record`.
bool another_process_gets(const std::filesystem::path& path, std::int64_t record) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto locks = RangeLocks::open(path);
    ::_exit(locks && (*locks)->acquire(record) ? 0 : 1);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_CASE("a record is locked against this process and others until it is let go") {
  const test::TempDir folder;
  const auto path = folder / "locks";
  const auto locks = RangeLocks::open(path);
  REQUIRE(locks);
  {
    const auto held = (*locks)->acquire(7);
    REQUIRE(held);
    CHECK((*locks)->acquire(7).error().code == ErrorCode::kConflict);
    CHECK((*locks)->acquire(8));
    CHECK_FALSE(another_process_gets(path, 7));
    CHECK(another_process_gets(path, 8));
    // A second set of locks in this process is as another process.
    const auto others = RangeLocks::open(path);
    CHECK((*others)->acquire(7).error().code == ErrorCode::kConflict);
  }
  CHECK((*locks)->acquire(7));
  CHECK(another_process_gets(path, 7));
}

TEST_CASE("a folder that isn't there has no locks") {
  CHECK(RangeLocks::open("/nowhere/locks").error().code == ErrorCode::kIo);
}

}  // namespace
}  // namespace weft::storage
