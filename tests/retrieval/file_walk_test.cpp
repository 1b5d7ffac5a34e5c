#include "retrieval/file_walk.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/fakes/temp_dir.h"

namespace weft::retrieval {
namespace {

namespace fs = std::filesystem;
using Sources = std::vector<std::string>;

void touch(const fs::path& path) {
  fs::create_directories(path.parent_path());
  std::ofstream(path) << "x";
}

const std::vector<std::string> kWanted = {".md", ".txt"};

TEST_CASE("files of the wanted kinds are listed in order, hidden ones and junk left out") {
  const test::TempDir folder;
  for (const auto* name : {"b.txt", "a/z.md", "a/b/c.TXT", "a.md", "code.cpp", "noextension",
                           ".hidden.txt", ".git/x.txt", "node_modules/m/readme.md"}) {
    touch(folder / name);
  }
  const auto list = list_files(folder.path(), kWanted);
  REQUIRE(list);
  CHECK(list->sources == Sources{"a.md", "a/b/c.TXT", "a/z.md", "b.txt"});
  CHECK(list->skipped.empty());
  CHECK(list->root == fs::canonical(folder.path()));
}

TEST_CASE("links below the root aren't followed, a link to the root is") {
  const test::TempDir outside;
  touch(outside / "secret.txt");
  const test::TempDir folder;
  touch(folder / "docs" / "a.txt");
  fs::create_symlink(outside / "secret.txt", folder / "docs" / "file.txt");
  fs::create_directory_symlink(outside.path(), folder / "docs" / "out");
  fs::create_directory_symlink(folder / "docs", folder / "docs" / "loop");
  fs::create_symlink(outside / "nothing.txt", folder / "docs" / "broken.txt");
  fs::create_directory_symlink(folder / "docs", folder / "link");
  const auto list = list_files(folder / "link", kWanted);
  REQUIRE(list);
  CHECK(list->sources == Sources{"a.txt"});
  CHECK(list->root == fs::canonical(folder / "docs"));
  Sources skipped;
  for (const auto& path : list->skipped) skipped.push_back(path.source);
  CHECK(skipped == Sources{"broken.txt", "file.txt", "loop", "out"});
}

TEST_CASE("what is no regular file, or has a name that is no text, isn't listed") {
  const test::TempDir folder;
  REQUIRE(::mkfifo((folder / "pipe.txt").c_str(), 0600) == 0);
  fs::create_directory(folder / "folder.txt");
  touch(folder / "bad\xff.txt");
  const auto list = list_files(folder.path(), kWanted);
  REQUIRE(list);
  CHECK(list->sources.empty());
  REQUIRE(list->skipped.size() == 1);
  CHECK_THAT(list->skipped[0].reason, Catch::Contains("UTF-8"));
}

TEST_CASE("folders too deep are named, not entered") {
  const test::TempDir folder;
  fs::path deep;
  for (int i = 0; i < kFolderDepthMax + 2; ++i) deep /= "d";
  touch(folder / (deep / "a.txt"));
  const auto list = list_files(folder.path(), kWanted);
  REQUIRE(list);
  CHECK(list->sources.empty());
  REQUIRE(list->skipped.size() == 1);
  CHECK(list->skipped[0].is_folder);
}

TEST_CASE("a root that isn't there, or is a file, is refused") {
  const test::TempDir folder;
  touch(folder / "a.txt");
  CHECK(list_files(folder / "none", kWanted).error().code == ErrorCode::kNotFound);
  CHECK(list_files(folder / "a.txt", kWanted).error().code == ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weft::retrieval
