// How fast text becomes tokens, on one thread.
// Run: weft_tokenizer_bench TEXT_FILE [MODEL.gguf ...]
// Prints JSON rows {name, value, unit}: the best of several passes over the file's first 4 MB, in
// CPU time. A pass has a new encoder, so that nothing is remembered from one to the next.

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "inference/gguf.h"
#include "inference/tokenizer.h"
#include "inference/wordpiece.h"

namespace {

constexpr int kPasses = 9;
constexpr std::size_t kTextBytesMax = 4'000'000;

// CPU seconds of this thread, so that other programs' share of the core doesn't count.
double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double best_seconds(const std::function<void()>& work) {
  double best = 1e9;
  for (int pass = 0; pass < kPasses; ++pass) {
    const double start = cpu_seconds();
    work();
    best = std::min(best, cpu_seconds() - start);
  }
  return best;
}

void print_row(const std::string& name, double value, const char* unit) {
  std::printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\"}\n", name.c_str(), value, unit);
}

int bench_model(const std::filesystem::path& path, const std::string& text) {
  using weft::inference::GgufFile;
  using weft::inference::Tokenizer;
  const auto file = GgufFile::open(path);
  if (!file) {
    std::fprintf(stderr, "%s\n", file.error().message.c_str());
    return 1;
  }
  const auto tokenizer = Tokenizer::from_gguf(*file);
  if (!tokenizer) {
    std::fprintf(stderr, "%s\n", tokenizer.error().message.c_str());
    return 1;
  }
  const std::string name = "tokenizer." + path.stem().string() + ".";
  const double build = best_seconds([&] { static_cast<void>(Tokenizer::from_gguf(*file)); });
  print_row(name + "build", build, "s");
  std::size_t tokens = 0;
  const double encode = best_seconds([&] { tokens = tokenizer->encode(text, true).size(); });
  print_row(name + "encode", static_cast<double>(text.size()) / encode / 1e6, "MB/s");
  print_row(
      name + "bytes_per_token",
      static_cast<double>(text.size()) / static_cast<double>(std::max<std::size_t>(tokens, 1)),
      "B");
  const double lines = best_seconds([&] {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
      tokens = tokenizer->encode(std::string_view(text).substr(at, end - at), true).size();
      at = end;
    }
  });
  print_row(name + "encode_lines", static_cast<double>(text.size()) / lines / 1e6, "MB/s");
  const auto ids = tokenizer->encode(text, true);
  const double decode = best_seconds([&] { tokens = tokenizer->decode(ids).size(); });
  print_row(name + "decode", static_cast<double>(text.size()) / decode / 1e6, "MB/s");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  using weft::inference::WordPiece;
  if (argc < 2) {
    std::fprintf(stderr, "usage: weft_tokenizer_bench TEXT_FILE [MODEL.gguf ...]\n");
    return 2;
  }
  std::ifstream stream(argv[1], std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (text.empty()) {
    std::fprintf(stderr, "weft_tokenizer_bench: can't read %s\n", argv[1]);
    return 1;
  }
  text.resize(std::min(text.size(), kTextBytesMax));
  const WordPiece bert = WordPiece::bert_base_uncased();
  print_row("wordpiece.build",
            best_seconds([] { static_cast<void>(WordPiece::bert_base_uncased()); }), "s");
  std::size_t count = 0;
  const double seconds = best_seconds([&] { count = bert.count(text); });
  print_row("wordpiece.count", static_cast<double>(text.size()) / seconds / 1e6, "MB/s");
  for (int i = 2; i < argc; ++i) {
    if (bench_model(argv[i], text) != 0) return 1;
  }
  return 0;
}
