#include "retrieval/collection_store.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <iterator>

#include "tests/fakes/paragraphs.h"
#include "tests/fakes/temp_dir.h"

namespace weft::retrieval {
namespace {

using Mode = CollectionStore::Mode;

NewDocument document(const std::string& source, const std::string& text) {
  NewDocument made{.root = "/docs", .source = source, .sha256 = "hash", .reader_version = "1"};
  made.extracted = test::plain_text(text);
  made.passages = test::paragraphs(made.extracted);
  return made;
}

struct Fixture {
  test::TempDir folder;
  CollectionStore store = open(Mode::kWrite);

  CollectionStore open(Mode mode) {
    auto opened = CollectionStore::open(folder / "weft.db", mode);
    REQUIRE(opened);
    return *std::move(opened);
  }
  std::int64_t put(const std::string& source, const std::string& text,
                   const std::string& collection = "c") {
    const auto id = store.put_document(collection, document(source, text));
    REQUIRE(id);
    return *id;
  }
  std::vector<PassageHit> search(const std::string& query, std::size_t k = 10,
                                 const std::string& collection = "c") {
    auto hits = store.search(collection, query, k);
    REQUIRE(hits);
    return *std::move(hits);
  }
  bool file_contains(const std::string& text) const {
    for (const char* suffix : {"", "-wal"}) {
      std::ifstream in((folder / "weft.db").string() + suffix, std::ios::binary);
      const std::string bytes(std::istreambuf_iterator<char>(in), {});
      if (bytes.find(text) != std::string::npos) return true;
    }
    return false;
  }
};

TEST_CASE("a hit says where it stands") {
  Fixture f;
  REQUIRE(f.store.create_collection("c"));
  auto content = document("kafka.md", "Kafka\n\nHe wrote The Trial.\n\nHe lived in Prague.");
  content.passages[1].heading_path = "Kafka > Works";
  const auto id = f.store.put_document("c", content);
  REQUIRE(id);
  const auto hits = f.search("who was writing trials");
  REQUIRE(hits.size() == 1);
  const PassageHit& hit = hits[0];
  CHECK(hit.document == *id);
  CHECK(hit.root == "/docs");
  CHECK(hit.source == "kafka.md");
  CHECK(hit.title == "Kafka");
  CHECK(hit.heading_path == "Kafka > Works");
  CHECK(hit.text == "He wrote The Trial.");
  CHECK(content.extracted.text.substr(hit.start, hit.end - hit.start) == hit.text);
  CHECK(hit.score > 0);
  // Headings are searched too.
  CHECK(f.search("works").at(0).passage == hit.passage);
}

// One term in one of two passages: idf = ln((2 - 1 + 0.5) / (1 + 0.5)) = 0, which FTS5 floors at
// 1e-6; with three passages ln(2.5 / 1.5) = 0.5108. The passage has the mean length of 2 words, so
// BM25 = 0.5108 * 1 * 2.2 / (1 + 1.2) = 0.5108.
TEST_CASE("a score is BM25's with k1 1.2 and b 0.75") {
  Fixture f;
  REQUIRE(f.store.create_collection("c"));
  auto made = document("a.txt", "red apple\n\ngreen pear\n\nblue plum");
  made.extracted.title.clear();
  REQUIRE(f.store.put_document("c", made));
  const auto hits = f.search("apple");
  REQUIRE(hits.size() == 1);
  CHECK(hits[0].score == Approx(std::log(2.5 / 1.5)).epsilon(1e-6));
}

TEST_CASE("better matches come first, and of equals the older") {
  Fixture f;
  REQUIRE(f.store.create_collection("c"));
  for (int i = 0; i < 5; ++i) f.put("filler" + std::to_string(i), "nothing to see here");
  f.put("one", "a single whale");
  f.put("same", "a single whale");
  f.put("both", "a white whale");
  const auto hits = f.search("white whale");
  REQUIRE(hits.size() == 3);
  CHECK(hits[0].source == "both");
  CHECK(hits[1].source == "one");
  CHECK(hits[2].source == "same");
  CHECK(hits[0].score > hits[1].score);
  CHECK(hits[1].score == hits[2].score);
  CHECK(f.search("white whale", 1).size() == 1);
  CHECK(f.search("white whale", 0).empty());
  CHECK(f.search("?!").empty());
  CHECK(f.store.search("c", "whale", kHitsMax + 1).error().code == ErrorCode::kInvalidArgument);
}

TEST_CASE("stop words count only when told, or when nothing else was asked") {
  Fixture f;
  REQUIRE(f.store.create_collection("c"));
  f.put("a", "the cat");
  f.put("b", "the dog");
  CHECK(f.search("the cat").size() == 1);
  CHECK(f.search("the").size() == 2);
  CHECK(f.store.search("c", "the cat", 5, {.stop_words = StopWords::kKeep, .stop = {}})->size() ==
        2);
}

TEST_CASE("a document that is put in again is replaced, with all its passages") {
  Fixture f;
  REQUIRE(f.store.create_collection("c"));
  const std::string text = "alpha one\n\nalpha two\n\nalpha three\n\nalpha four";
  const auto id = f.put("a.txt", text);
  const auto first = f.search("alpha");
  CHECK(first.size() == 4);
  // The same again: neither duplicates nor one passage a document.
  CHECK(f.put("a.txt", text) == id);
  CHECK(f.search("alpha").size() == 4);
  CHECK(*f.store.collections() == std::vector<CollectionInfo>{{"c", 1, 4}});
  CHECK(f.search("alpha")[0].passage > first[3].passage);  // ids are never used again

  CHECK(f.put("a.txt", "beta") == id);
  CHECK(f.search("alpha").empty());
  CHECK(f.search("beta").size() == 1);
  CHECK(f.store.read_document(id)->text == "beta");
  CHECK(f.store.passages(id)->size() == 1);
  CHECK(f.store.check());
}

TEST_CASE("a document comes back as it was put in") {
  Fixture f;
  REQUIRE(f.store.create_collection("c"));
  // Any bytes: the text of a .txt file is what it is.
  const auto put = document("a.txt", std::string("zero \0 byte\n\n\xff\xfe broken", 22));
  const auto id = f.store.put_document("c", put);
  REQUIRE(id);
  CHECK(*f.store.read_document(*id) == put.extracted);
  CHECK(*f.store.passages(*id) == put.passages);
  const auto infos = f.store.documents("c");
  REQUIRE(infos);
  CHECK(*infos == std::vector<DocumentInfo>{
                      {*id, "/docs", "a.txt", "hash", "1", "text", put.extracted.title, 2}});
}

TEST_CASE("a document is found by its source or its whole path, in every root") {
  Fixture f;
  REQUIRE(f.store.create_collection("c"));
  f.put("sub/a.txt", "one");
  auto other = document("sub/a.txt", "two");
  other.root = "/more";
  REQUIRE(f.store.put_document("c", other));
  CHECK(f.store.find_documents("c", "sub/a.txt")->size() == 2);
  const auto whole = f.store.find_documents("c", "/more/sub/a.txt");
  REQUIRE(whole->size() == 1);
  CHECK(whole->at(0).root == "/more");
  CHECK(f.store.find_documents("c", "a.txt")->empty());
  CHECK(f.store.documents("c")->size() == 2);
  CHECK(f.store.documents("c", "/more")->size() == 1);
}

TEST_CASE("collections don't see each other, nor each other's statistics") {
  Fixture f;
  REQUIRE(f.store.create_collection("a"));
  REQUIRE(f.store.create_collection("b"));
  for (const auto* source : {"1", "2", "3"}) f.put(source, std::string("word") + source, "a");
  const double alone = f.search("word1", 5, "a").at(0).score;
  for (int i = 0; i < 50; ++i) f.put(std::to_string(i), "word1", "b");
  CHECK(f.search("word1", 5, "a").at(0).score == alone);
  CHECK(f.search("word2", 5, "b").empty());
  REQUIRE(f.store.remove_collection("b"));
  CHECK(*f.store.collections() == std::vector<CollectionInfo>{{"a", 3, 3}});
  CHECK(f.store.check());
}

TEST_CASE("a collection that isn't there is named beside those that are") {
  Fixture f;
  const auto none = f.store.search("docs", "x", 5);
  REQUIRE_FALSE(none);
  CHECK_THAT(none.error().message, Catch::Contains("there is none yet"));
  REQUIRE(f.store.create_collection("notes"));
  REQUIRE(f.store.create_collection("mail"));
  for (const auto& error :
       {f.store.search("docs", "x", 5).error(), f.store.documents("docs").error(),
        f.store.remove_collection("docs").error(),
        f.store.put_document("docs", document("a", "b")).error()}) {
    CHECK(error.code == ErrorCode::kNotFound);
    CHECK_THAT(error.message, Catch::Contains("\"docs\"") && Catch::Contains("mail, notes") &&
                                  Catch::Contains("weft index"));
  }
  CHECK(f.store.create_collection("mail").error().code == ErrorCode::kAlreadyExists);
  for (const auto& name : {std::string(), std::string("a b"), std::string("x'; DROP"),
                           std::string(kCollectionNameBytesMax + 1, 'x')}) {
    CHECK(f.store.create_collection(name).error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("a removed document is in nothing any more") {
  Fixture f;
  REQUIRE(f.store.create_collection("c"));
  f.put("keep", "common words");
  const auto id = f.put("secret", "common xylophonist");
  CHECK(f.file_contains("xylophonist"));
  REQUIRE(f.store.remove_document(id));
  CHECK(f.search("common").size() == 1);
  CHECK(f.search("xylophonist").empty());
  CHECK(f.store.read_document(id).error().code == ErrorCode::kNotFound);
  CHECK(f.store.remove_document(id).error().code == ErrorCode::kNotFound);
  CHECK(f.store.check());
  REQUIRE(f.store.compact("c"));
  CHECK_FALSE(f.file_contains("xylophonist"));
  CHECK(f.file_contains("common words"));
  CHECK(f.store.check());
}

TEST_CASE("a passage that isn't what its offsets say is refused, and nothing changes") {
  Fixture f;
  REQUIRE(f.store.create_collection("c"));
  f.put("a.txt", "old text");
  for (const auto& wrong :
       {Passage{0, 4, "", "neW "}, Passage{0, 99, "", "new text"}, Passage{4, 2, "", ""}}) {
    auto bad = document("a.txt", "new text");
    bad.passages.push_back(wrong);
    CHECK(f.store.put_document("c", bad).error().code == ErrorCode::kInvalidArgument);
  }
  CHECK(f.search("old").size() == 1);
}

TEST_CASE("there is one writer, and readers beside it") {
  Fixture f;
  REQUIRE(f.store.create_collection("c"));
  f.put("a", "word");
  const auto second = CollectionStore::open(f.folder / "weft.db", Mode::kWrite);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kConflict);
  auto reader = f.open(Mode::kRead);
  CHECK(reader.search("c", "word", 5)->size() == 1);
  CHECK_FALSE(reader.put_document("c", document("b", "c")));
  CHECK(reader.check());
  f.put("b", "word");
  CHECK(reader.search("c", "word", 5)->size() == 2);
}

TEST_CASE("reading where nothing was indexed says what to do") {
  const test::TempDir folder;
  const auto none = CollectionStore::open(folder / "weft.db", Mode::kRead);
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::kNotFound);
  CHECK_THAT(none.error().message, Catch::Contains("weft index DIR"));
}

TEST_CASE("check finds an index that lost a passage, and a text that was changed") {
  Fixture f;
  REQUIRE(f.store.create_collection("c"));
  f.put("a", "one\n\ntwo");
  REQUIRE(f.store.check());
  auto raw =
      storage::Database::open(f.folder / "weft.db", {.mode = storage::Database::Mode::kReadWrite});
  REQUIRE(raw);
  SECTION("index") { REQUIRE(raw->execute("DELETE FROM passage_index_1 WHERE rowid = 2")); }
  SECTION("text") { REQUIRE(raw->execute("UPDATE documents SET text = 'one, too'")); }
  SECTION("row") { REQUIRE(raw->execute("DELETE FROM passages WHERE ordinal = 1")); }
  const auto found = f.store.check();
  REQUIRE_FALSE(found);
  CHECK(found.error().code == ErrorCode::kCorrupt);
}

TEST_CASE("a backup is a store of its own") {
  Fixture f;
  REQUIRE(f.store.create_collection("c"));
  f.put("a", "word");
  REQUIRE(f.store.backup(f.folder / "copy.db"));
  f.put("b", "word");
  auto copy = CollectionStore::open(f.folder / "copy.db", Mode::kRead);
  REQUIRE(copy);
  CHECK(copy->search("c", "word", 5)->size() == 1);
  CHECK(copy->check());
}

TEST_CASE("a search that is told to stop stops") {
  Fixture f;
  REQUIRE(f.store.create_collection("c"));
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "word " + std::to_string(i) + "\n\n";
  f.put("a", text);
  std::stop_source stop;
  stop.request_stop();
  const auto stopped =
      f.store.search("c", "word", 5, {.stop_words = StopWords::kKeep, .stop = stop.get_token()});
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code == ErrorCode::kCancelled);
  CHECK(f.search("word", 5).size() == 5);
}

}  // namespace
}  // namespace weft::retrieval
