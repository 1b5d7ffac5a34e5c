// Mutated documents of every format: each is read and cut into sound passages, or refused with a
// reason; never a crash, never a hang.

#include <array>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <random>

#include "base/child_process.h"
#include "base/utf8.h"
#include "retrieval/reader.h"
#include "tests/fuzz/rounds.h"
#include "tests/retrieval/passages.h"

namespace weft::retrieval {
namespace {

std::string sample(std::string_view name) {
  std::ifstream file(WEFT_SOURCE_DIR "/examples/documents/" + std::string(name), std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  REQUIRE_FALSE(bytes.empty());
  bytes.resize(std::min<std::size_t>(bytes.size(), 20'000));
  return bytes;
}

class Mutator {
 public:
  explicit Mutator(unsigned seed) : random_(seed) {}

  std::string operator()(std::string bytes) {
    for (std::size_t rounds = 1 + below(8); rounds > 0 && !bytes.empty(); --rounds) {
      const std::size_t at = below(bytes.size());
      switch (below(7)) {
        case 0:
          bytes[at] = static_cast<char>(below(256));
          break;
        case 1:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8)));
          break;
        case 2:
          bytes.erase(at, 1 + below(200));
          break;
        case 3:
          bytes.resize(at);
          break;
        case 4: {
          const std::string piece = bytes.substr(at, 1 + below(300));
          bytes.insert(below(bytes.size()), piece);
          break;
        }
        case 5: {
          std::string run;
          const std::string_view token = kTokens[below(kTokens.size())];
          for (std::size_t i = 1 + below(below(2) == 0 ? 3 : 2000); i > 0; --i) run += token;
          bytes.insert(at, run);
          break;
        }
        default:
          bytes.insert(at, kTokens[below(kTokens.size())]);
      }
    }
    return bytes;
  }

 private:
  static constexpr std::array<std::string_view, 34> kTokens = {"<",
                                                               ">",
                                                               "</",
                                                               "<div>",
                                                               "<table>",
                                                               "<td>",
                                                               "<b a=1>",
                                                               "<b a=2>",
                                                               "<svg>",
                                                               "<pre>",
                                                               "<li>",
                                                               "<script>",
                                                               "<!--",
                                                               "<title>",
                                                               "<h1>",
                                                               "</h1>",
                                                               "&#x0;",
                                                               "&",
                                                               "\n",
                                                               "\n\n",
                                                               "# ",
                                                               "```\n",
                                                               "| ",
                                                               "- ",
                                                               "===\n",
                                                               "---\n",
                                                               "\xFF",
                                                               "\xE3",
                                                               "\x80",
                                                               "\xEF\xBB\xBF",
                                                               "\xF0\x9F\x98\x80",
                                                               "999999999",
                                                               "obj",
                                                               " "};

  std::size_t below(std::size_t bound) { return random_() % bound; }
  std::mt19937 random_;
};

// How many mutants were read, of `count`.
std::size_t run(std::string_view name, std::string_view seed_file, unsigned count) {
  const std::string seed = sample(seed_file);
  std::size_t read = 0;
  test::Rounds rounds("documents like " + std::string(seed_file),
                      {.inputs_min = count, .timed = false});
  while (rounds.next()) {
    const std::string mutant = Mutator(static_cast<unsigned>(rounds.seed()))(seed);
    CAPTURE(name, rounds.seed());
    const auto document = read_document(name, mutant);
    if (!document) {
      REQUIRE(document.error().message.size() > name.size() + 10);
      continue;
    }
    ++read;
    REQUIRE(is_valid_utf8(document->text));
    passages_of(*document, {.tokens_max = 64});
  }
  return read;
}

}  // namespace

TEST_CASE("mutated Markdown is read or refused") {
  CHECK(run("a.md", "rust-rfcs/2912-rust-analyzer.md", 400) > 200);
}

TEST_CASE("mutated text is read or refused") {
  CHECK(run("a.txt", "state-of-the-union/1986-Reagan.txt", 300) > 150);
}

TEST_CASE("mutated HTML is read or refused") {
  CHECK(run("a.html", "articles/how-search-finds-a-passage.html", 300) > 150);
  CHECK(run("a.html", "articles/a-model-on-a-laptop.html", 200) > 100);
}

TEST_CASE("mutated PDF is read or refused") {
  if (!find_program("pdftotext")) {
    WARN("SKIPPED: pdftotext isn't installed");
    return;
  }
  CHECK(run("a.pdf", "articles/agents-with-budgets.pdf", 100) > 10);
}

}  // namespace weft::retrieval
