#include "storage/file_lock.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <utility>

#include "tests/fakes/temp_dir.h"

namespace weft::storage {
namespace {

TEST_CASE("a lock is held once, and free again when its owner goes") {
  const test::TempDir folder;
  {
    auto lock = FileLock::acquire(folder / "lock");
    REQUIRE(lock);
    const auto moved = *std::move(lock);
    const auto refused = FileLock::acquire(folder / "lock");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::kConflict);
    CHECK_THAT(refused.error().message, Catch::Contains(std::to_string(::getpid())));
  }
  CHECK(FileLock::acquire(folder / "lock"));
  CHECK(FileLock::acquire(folder / "no" / "folder").error().code == ErrorCode::kIo);
}

TEST_CASE("a killed process gives its lock back") {
  const test::TempDir folder;
  int ready[2];
  REQUIRE(::pipe(ready) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    const auto lock = FileLock::acquire(folder / "lock");
    const char byte = lock ? 'y' : 'n';
    if (::write(ready[1], &byte, 1) == 1) ::pause();
    ::_exit(0);
  }
  char byte = 0;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  CHECK(byte == 'y');
  const auto refused = FileLock::acquire(folder / "lock");
  CHECK_FALSE(refused);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(FileLock::acquire(folder / "lock"));
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace weft::storage
