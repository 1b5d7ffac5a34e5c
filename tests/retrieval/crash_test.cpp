// kill -9 at any instant leaves the old or the new version of every document.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <random>
#include <thread>

#include "retrieval/indexer.h"
#include "tests/fakes/generations.h"
#include "tests/fakes/paragraphs.h"
#include "tests/fakes/temp_dir.h"

namespace weft::retrieval {
namespace {

namespace fs = std::filesystem;

constexpr int kFiles = 8;
constexpr int kKills = 200;

using Generations = std::array<int, kFiles>;  // 0: not indexed yet

std::string file_name(int number) {
  return std::string("f").append(std::to_string(number)).append(".txt");
}

Result<Extracted> read_plain(const fs::path&, std::string_view bytes) {
  return test::plain_text(bytes);
}

// The child: writes generation after generation and indexes each, reporting on `pipe` the number of
// every file whose new version was said to be in. Ends by being killed.
[[noreturn]] void index_for_ever(const fs::path& folder, int first_generation, int pipe) {
  auto store = CollectionStore::open(folder / "weft.db", CollectionStore::Mode::kWrite);
  if (!store) ::_exit(1);
  IndexOptions options{.collection = "c", .reader_version = "1"};
  for (int generation = first_generation;; ++generation) {
    for (int number = 0; number < kFiles; ++number) {
      // Renamed into place: half a source file would be the test's own fault.
      std::ofstream(folder / "part") << test::generation_text(number, generation);
      fs::rename(folder / "part", folder / "docs" / file_name(number));
    }
    options.on_event = [&](const IndexEvent& event) {
      if (event.outcome != IndexOutcome::kIndexed && event.outcome != IndexOutcome::kReplaced)
        return;
      const std::array<int, 2> done = {event.source[1] - '0', generation};
      if (::write(pipe, done.data(), sizeof done) != sizeof done) ::_exit(2);
    };
    if (!index_directory(*store, folder / "docs", read_plain, test::paragraphs, options))
      ::_exit(3);
  }
}

// What the child reported before it died. A pipe keeps what a killed process wrote.
void read_reports(int pipe, Generations& reported) {
  std::array<int, 2> done{};
  while (::read(pipe, done.data(), sizeof done) == sizeof done) {
    reported.at(static_cast<std::size_t>(done[0])) = done[1];
  }
}

// What the store holds; every document must be one generation, whole.
Generations read_store(CollectionStore& store) {
  Generations held{};
  const auto infos = store.documents("c");
  REQUIRE(infos);
  for (const auto& info : *infos) {
    const int number = info.source[1] - '0';
    const auto content = store.read_document(info.id);
    REQUIRE(content);
    const auto generation = test::generation_of(number, content->text);
    REQUIRE(generation);
    const auto passages = store.passages(info.id);
    REQUIRE(passages);
    REQUIRE(*passages == test::paragraphs(*content));
    const auto hits = store.search("c", std::string("file").append(std::to_string(number)), 100);
    REQUIRE(hits);
    REQUIRE(hits->size() == passages->size());
    held.at(static_cast<std::size_t>(number)) = *generation;
  }
  return held;
}

TEST_CASE("kill -9 at any instant leaves the old or the new version of a document", "[slow]") {
  const test::TempDir folder;
  fs::create_directory(folder / "docs");
  std::mt19937 random(7);
  Generations reported{};
  int next_generation = 1;
  int killed_midway = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    int pipe[2];
    REQUIRE(::pipe(pipe) == 0);
    const pid_t child = ::fork();
    if (child == 0) index_for_ever(folder.path(), next_generation, pipe[1]);
    ::close(pipe[1]);
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 100'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));  // it didn't stop by itself
    read_reports(pipe[0], reported);
    ::close(pipe[0]);

    // A reader first: it must cope with the log of a dead writer. Then a writer checks it all.
    if (reported[0] != 0) {
      auto reader = CollectionStore::open(folder / "weft.db", CollectionStore::Mode::kRead);
      REQUIRE(reader);
      const auto held = read_store(*reader);
      for (std::size_t i = 0; i < kFiles; ++i) {
        CAPTURE(kill, i, held[i], reported[i]);
        // What was reported is in; of what wasn't, the kill can only have hidden the one report.
        REQUIRE(held[i] >= reported[i]);
        next_generation = std::max(next_generation, held[i] + 1);
      }
      killed_midway += held.front() != held.back() ? 1 : 0;
    }
    if (kill % 10 == 0 || kill == kKills - 1) {
      auto writer = CollectionStore::open(folder / "weft.db", CollectionStore::Mode::kWrite);
      REQUIRE(writer);
      REQUIRE(writer->check());
    }
  }
  CHECK(killed_midway > kKills / 20);  // the kills did hit runs, not the pauses between
}

}  // namespace
}  // namespace weft::retrieval
