// One process writes while others read: each search sees one version of a document.

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "retrieval/collection_store.h"
#include "tests/fakes/generations.h"
#include "tests/fakes/paragraphs.h"
#include "tests/fakes/temp_dir.h"

namespace weft::retrieval {
namespace {

constexpr int kReaders = 3;
constexpr int kGenerations = 150;
constexpr int kFile = 0;

NewDocument generation(int number) {
  NewDocument document{.root = "/docs", .source = "f0.txt", .reader_version = "1"};
  document.extracted = test::plain_text(test::generation_text(kFile, number));
  document.passages = test::paragraphs(document.extracted);
  return document;
}

// Searches until it has seen the last generation. 0 if every search fitted together.
int read_all_generations(const std::filesystem::path& path) {
  auto store = CollectionStore::open(path, CollectionStore::Mode::kRead);
  if (!store) return 10;
  int last = 0;
  while (last < kGenerations) {
    const auto hits = store->search("c", "file0", 50);
    if (!hits || hits->empty()) return 11;
    // The hits carry the whole document: put in order, they must be one generation's paragraphs.
    const auto& text = hits->front().text;
    const int seen = std::stoi(text.substr(text.find("generation") + 10));
    auto expected = test::paragraphs(test::plain_text(test::generation_text(kFile, seen)));
    if (hits->size() != expected.size()) return 12;
    for (const auto& hit : *hits) {
      if (std::erase_if(expected, [&](const Passage& p) { return p.text == hit.text; }) != 1) {
        return 13;
      }
    }
    if (seen < last) return 14;  // time doesn't run backwards
    last = seen;
    // Document and passages are read at one moment, too.
    const auto passages = store->passages(hits->front().document);
    if (!passages || passages->size() < 5) return 15;
  }
  return 0;
}

TEST_CASE("readers in other processes see whole documents while one writes") {
  const test::TempDir folder;
  const auto path = folder / "weft.db";
  auto store = CollectionStore::open(path, CollectionStore::Mode::kWrite);
  REQUIRE(store);
  REQUIRE(store->create_collection("c"));
  REQUIRE(store->put_document("c", generation(1)));
  store = Error{ErrorCode::kInternal, "closed: no connection may live across a fork"};

  std::vector<pid_t> readers;
  for (int i = 0; i < kReaders; ++i) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(read_all_generations(path));
    readers.push_back(child);
  }
  auto writer = CollectionStore::open(path, CollectionStore::Mode::kWrite);
  REQUIRE(writer);
  for (int i = 2; i <= kGenerations; ++i) REQUIRE(writer->put_document("c", generation(i)));
  for (const pid_t reader : readers) {
    int status = 0;
    ::waitpid(reader, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
  CHECK(writer->check());
}

}  // namespace
}  // namespace weft::retrieval
