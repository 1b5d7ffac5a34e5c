#include "retrieval/indexer.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <stdexcept>

#include "tests/fakes/paragraphs.h"
#include "tests/fakes/temp_dir.h"

namespace weft::retrieval {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

Result<Extracted> read_plain(const fs::path& path, std::string_view bytes) {
  if (bytes.starts_with("FAIL")) return Error{ErrorCode::kCorrupt, "not readable"};
  if (bytes.starts_with("THROW")) throw std::runtime_error("thrown by " + path.filename().string());
  return test::plain_text(bytes);
}

struct Fixture {
  test::TempDir folder;
  fs::path docs = folder / "docs";
  IndexOptions options{.collection = "c", .reader_version = "1"};
  std::vector<IndexEvent> events;
  CollectionStore store = open();

  Fixture() {
    fs::create_directory(docs);
    options.on_event = [this](const IndexEvent& event) { events.push_back(event); };
  }
  CollectionStore open() const {
    auto opened = CollectionStore::open(folder / "weft.db", CollectionStore::Mode::kWrite);
    REQUIRE(opened);
    return *std::move(opened);
  }
  IndexSummary index(const Reader& reader = read_plain) { return index_of(docs, reader); }
  IndexSummary index_of(const fs::path& directory, const Reader& reader = read_plain) {
    events.clear();
    const auto summary = index_directory(store, directory, reader, test::paragraphs, options);
    REQUIRE(summary);
    return *summary;
  }
  std::size_t hits(const std::string& query) {
    const auto found = store.search("c", query, 100);
    REQUIRE(found);
    return found->size();
  }
};

TEST_CASE("a folder is indexed once, and then left alone") {
  Fixture f;
  write(f.docs / "a.txt", "alpha one\n\nalpha two\n\nalpha three");
  write(f.docs / "sub/b.md", "beta");
  write(f.docs / "code.cpp", "gamma");
  CHECK(f.index() == IndexSummary{.indexed = 2, .passages = 4, .bytes = 37});
  REQUIRE(f.events.size() == 2);
  CHECK(f.events[0].source == "a.txt");
  CHECK(f.events[0].outcome == IndexOutcome::kIndexed);
  CHECK(f.events[0].passages == 3);
  CHECK(f.events[0].bytes == 33);
  CHECK(f.events[1].source == "sub/b.md");
  CHECK(f.events[1].position == 2);
  CHECK(f.events[1].total == 2);
  // The second run reads no file, and makes neither duplicates nor losses.
  const auto reads_nothing = [](const fs::path&, std::string_view) -> Result<Extracted> {
    throw std::logic_error("read again");
  };
  CHECK(f.index(reads_nothing) == IndexSummary{.unchanged = 2});
  CHECK(f.hits("alpha") == 3);
  CHECK(f.store.check());
}

TEST_CASE("only what changed is read again, or everything with a new reader") {
  Fixture f;
  write(f.docs / "a.txt", "alpha");
  write(f.docs / "b.txt", "beta");
  f.index();
  write(f.docs / "a.txt", "gamma");
  CHECK(f.index() == IndexSummary{.replaced = 1, .unchanged = 1, .passages = 1, .bytes = 5});
  CHECK(f.hits("alpha") == 0);
  CHECK(f.hits("gamma") == 1);
  f.options.reader_version = "2";
  CHECK(f.index().replaced == 2);
  CHECK(f.hits("gamma beta") == 2);
}

TEST_CASE("a file that fails is listed with its reason, and the rest goes in") {
  Fixture f;
  write(f.docs / "a.txt", "FAIL");
  write(f.docs / "b.txt", "THROW");
  write(f.docs / "c.txt", std::string(200, 'x'));
  write(f.docs / "d.txt", "fine");
  f.options.file_bytes_max = 100;
  const auto summary = f.index();
  CHECK(summary.failed == 3);
  CHECK(summary.indexed == 1);
  CHECK_THAT(f.events[0].reason, Catch::Contains("not readable"));
  CHECK_THAT(f.events[1].reason, Catch::Contains("thrown by b.txt"));
  CHECK_THAT(f.events[2].reason, Catch::Contains("limit of 100 bytes"));
  CHECK(f.hits("fine") == 1);
}

TEST_CASE("a file that fails later keeps what was indexed of it") {
  Fixture f;
  write(f.docs / "a.txt", "alpha");
  f.index();
  write(f.docs / "a.txt", "FAIL");
  CHECK(f.index().failed == 1);
  CHECK(f.hits("alpha") == 1);
  // It isn't taken for unchanged afterwards.
  CHECK(f.index().failed == 1);
}

TEST_CASE("a chunker whose passages don't fit is a failed file") {
  Fixture f;
  write(f.docs / "a.txt", "alpha");
  const auto wrong = [](const Extracted&) { return std::vector<Passage>{{0, 9, "", "beyond"}}; };
  const auto summary = index_directory(f.store, f.docs, read_plain, wrong, f.options);
  REQUIRE(summary);
  CHECK(summary->failed == 1);
  CHECK(f.store.documents("c")->empty());
}

TEST_CASE("vanished files are reported, and removed when told") {
  Fixture f;
  write(f.docs / "a.txt", "alpha");
  write(f.docs / "b.txt", "beta");
  f.index();
  fs::remove(f.docs / "a.txt");
  CHECK(f.index() == IndexSummary{.unchanged = 1, .vanished = 1});
  CHECK(f.events.back().source == "a.txt");
  CHECK(f.hits("alpha") == 1);
  f.options.prune = true;
  CHECK(f.index() == IndexSummary{.unchanged = 1, .pruned = 1});
  CHECK(f.hits("alpha") == 0);
  CHECK(f.index() == IndexSummary{.unchanged = 1});
  CHECK(f.store.check());
}

TEST_CASE("directories share a collection without pruning each other's files") {
  Fixture f;
  write(f.folder / "one/same.txt", "alpha");
  write(f.folder / "two/same.txt", "beta");
  f.options.prune = true;
  CHECK(f.index_of(f.folder / "one").indexed == 1);
  CHECK(f.index_of(f.folder / "two").indexed == 1);
  CHECK(f.index_of(f.folder / "one") == IndexSummary{.unchanged = 1});
  CHECK(f.store.find_documents("c", "same.txt")->size() == 2);
}

TEST_CASE("what can't be seen at the moment isn't taken for vanished") {
  Fixture f;
  write(f.docs / "sub/a.txt", "alpha");
  f.index();
  fs::remove(f.docs / "sub/a.txt");
  fs::create_symlink("/nowhere/a.txt", f.docs / "sub/a.txt");
  f.options.prune = true;
  const auto summary = f.index();
  CHECK(summary.skipped == 1);
  CHECK(summary.pruned == 0);
  CHECK(f.hits("alpha") == 1);
}

TEST_CASE("a mistyped directory makes no collection and removes nothing") {
  Fixture f;
  f.options.prune = true;
  const auto none =
      index_directory(f.store, f.folder / "typo", read_plain, test::paragraphs, f.options);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::kNotFound);
  CHECK(f.store.collections()->empty());
}

TEST_CASE("a stop takes effect between two files") {
  Fixture f;
  for (const auto* name : {"a.txt", "b.txt", "c.txt"}) write(f.docs / name, name);
  std::stop_source stop;
  f.options.stop = stop.get_token();
  f.options.prune = true;
  f.options.on_event = [&](const IndexEvent& event) {
    if (event.position == 2) stop.request_stop();
  };
  const auto summary = f.index();
  CHECK(summary.stopped);
  CHECK(summary.indexed == 2);
  CHECK(f.store.documents("c")->size() == 2);
  f.options.stop = {};
  CHECK(f.index() == IndexSummary{.indexed = 1, .unchanged = 2, .passages = 1, .bytes = 5});
}

// In a process of its own, because the limit can't be lifted again.
TEST_CASE("a disk that fills up is an error that leaves the old version") {
  const test::TempDir folder;
  write(folder / "docs/a.txt", "old words");
  write(folder / "docs/b.txt", "other words");
  const IndexOptions options{.collection = "c", .reader_version = "1"};
  const pid_t child = ::fork();
  if (child == 0) {
    auto store = CollectionStore::open(folder / "weft.db", CollectionStore::Mode::kWrite);
    if (!store) ::_exit(1);
    const auto index = [&] {
      return index_directory(*store, folder / "docs", read_plain, test::paragraphs, options);
    };
    if (!index()) ::_exit(2);
    std::string large = "new";
    for (int i = 0; i < 100'000; ++i) large.append(" w").append(std::to_string(i));
    write(folder / "docs/a.txt", large);
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{500'000, 500'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(3);
    const auto full = index();
    if (full || full.error().code != ErrorCode::kIo) ::_exit(4);
    if (full.error().message.find("disk full") == std::string::npos) ::_exit(5);
    const auto hits = store->search("c", "words", 5);
    ::_exit(hits && hits->size() == 2 ? 0 : 6);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(WEXITSTATUS(status) == 0);
  REQUIRE(WIFEXITED(status));
  auto store = CollectionStore::open(folder / "weft.db", CollectionStore::Mode::kWrite);
  REQUIRE(store);
  CHECK(store->check());
  CHECK(store->search("c", "old", 5)->size() == 1);
  CHECK(store->search("c", "new", 5)->empty());
  // With room again, the next run brings the new version in.
  const auto summary =
      index_directory(*store, folder / "docs", read_plain, test::paragraphs, options);
  REQUIRE(summary);
  CHECK(summary->replaced == 1);
}

}  // namespace
}  // namespace weft::retrieval
