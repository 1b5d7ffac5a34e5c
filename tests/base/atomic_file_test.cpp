#include "base/atomic_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/fakes/temp_dir.h"

namespace weft {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

auto files_in(const fs::path& directory) {
  return std::distance(fs::directory_iterator(directory), fs::directory_iterator());
}

TEST_CASE("a file is made and replaced whole, and nothing lies beside it") {
  const test::TempDir dir;
  REQUIRE(write_file_atomically(dir / "a", std::string("x\0y", 3)));
  CHECK(read_file(dir / "a") == std::string("x\0y", 3));
  REQUIRE(write_file_atomically(dir / "a", ""));
  CHECK(read_file(dir / "a").empty());
  CHECK(files_in(dir.path()) == 1);
}

TEST_CASE("a write that fails leaves the old file and no other") {
  const test::TempDir dir;
  CHECK(write_file_atomically(dir / "no/such", "x").error().code == ErrorCode::kNotFound);
  fs::create_directory(dir / "full");
  std::ofstream(dir / "full/file") << "x";
  const auto failed = write_file_atomically(dir / "full", "x");  // rename() onto a directory
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::kIo);
  CHECK(failed.error().message.find((dir / "full").string()) != std::string::npos);
  CHECK(files_in(dir.path()) == 1);
}

TEST_CASE("threads that write one file leave one of their texts") {
  const test::TempDir dir;
  std::vector<std::thread> threads;
  for (char c = 'a'; c < 'e'; ++c) {
    threads.emplace_back([&, c] {
      for (int i = 0; i < 10; ++i) (void)write_file_atomically(dir / "f", std::string(5000, c));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string text = read_file(dir / "f");
  REQUIRE(text.size() == 5000);
  CHECK(std::ranges::count(text, text[0]) == 5000);
  CHECK(files_in(dir.path()) == 1);
}

TEST_CASE("publishing moves a finished file and replaces") {
  const test::TempDir dir;
  fs::create_directory(dir / "work");
  std::ofstream(dir / "work/part") << "new";
  std::ofstream(dir / "final") << "old";
  REQUIRE(publish_file(dir / "work/part", dir / "final"));
  CHECK(read_file(dir / "final") == "new");
  CHECK_FALSE(fs::exists(dir / "work/part"));
  CHECK(publish_file(dir / "work/part", dir / "final").error().code == ErrorCode::kNotFound);
}

}  // namespace
}  // namespace weft
