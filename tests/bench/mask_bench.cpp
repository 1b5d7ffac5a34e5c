// What structured output costs a step: the token masks of JSON Schemas, over a model's vocabulary.
// Run: weft_mask_bench [--export FILE] MODEL.gguf [...]
// FILE gets the vocabulary, schemas and texts of the last model, for another library to make the
// same masks (llguidance_rival.py).
// Prints JSON rows {name, value, unit}, in CPU time of one thread. The texts are made by random
// choice among the allowed tokens; a mask's time has the step to its token in it, not the pass over
// the logits, which is a row of its own.

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "inference/gguf.h"
#include "inference/grammar/constraint.h"
#include "inference/grammar/json_schema.h"
#include "inference/grammar/recogniser.h"
#include "inference/tokenizer.h"

namespace {

using namespace weft::inference;
using namespace weft::inference::grammar;

constexpr std::size_t kTexts = 20;       // a schema
constexpr std::size_t kTokensMax = 150;  // a text

const std::vector<std::string> kSchemas = {
    R"({"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,
        "maximum":150},"tags":{"type":"array","items":{"type":"string"},"maxItems":5}},
        "required":["name","age"]})",
    R"({"type":"object","properties":{"id":{"type":"string","format":"uuid"},"at":{"type":"string",
        "format":"date-time"},"level":{"enum":["debug","info","warning","error"]},"text":
        {"type":"string","maxLength":200}},"required":["id","at","level","text"]})",
    R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"value":{"type":"number"},
        "children":{"type":"array","items":{"$ref":"#/$defs/n"}}},"required":["value"]}}})",
    R"({"type":"object","additionalProperties":{"anyOf":[{"type":"string"},{"type":"null"}]}})",
    "{}"};

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void print_row(const std::string& name, double value, const char* unit) {
  std::printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\"}\n", name.c_str(), value, unit);
}

/// Makes one text and adds the seconds of each of its masks.
std::vector<TokenId> make_text(Recogniser& recogniser, std::mt19937& random,
                               std::vector<double>& seconds) {
  std::vector<TokenId> ids;
  auto place = recogniser.start();
  std::string_view bytes;
  for (std::size_t i = 0; i < kTokensMax; ++i) {
    const double start = cpu_seconds();
    place = recogniser.compact(recogniser.after(place, bytes));
    const auto bits = recogniser.mask(place);
    seconds.push_back(cpu_seconds() - start);
    std::vector<TokenId> allowed;
    for (std::size_t token = 0; token < recogniser.trie().vocabulary(); ++token) {
      if ((bits[token / 64] >> (token % 64) & 1) != 0)
        allowed.push_back(static_cast<TokenId>(token));
    }
    ids.push_back(allowed[random() % allowed.size()]);
    bytes = recogniser.trie().bytes(ids.back());
    if (bytes.empty()) break;
  }
  return ids;
}

/// A byte a letter, so that JSON can hold bytes that aren't UTF-8.
std::string latin1(std::string_view bytes) {
  std::string text;
  for (const char each : bytes) {
    const auto byte = static_cast<unsigned char>(each);
    if (byte >= 0x80) text += static_cast<char>(0xC0 | byte >> 6);
    text += static_cast<char>(byte < 0x80 ? byte : 0x80 | (byte & 0x3F));
  }
  return text;
}

using Texts = std::vector<std::vector<TokenId>>;  // of a schema

void export_to(const std::filesystem::path& path, const TokenTrie& trie,
               const std::vector<Texts>& texts) {
  nlohmann::json json = {{"ends", trie.ends()}, {"schemas", kSchemas}, {"texts", texts}};
  for (std::size_t id = 0; id < trie.vocabulary(); ++id) {
    json["vocabulary"].push_back(latin1(trie.bytes(static_cast<TokenId>(id))));
  }
  std::ofstream(path) << json;
}

int bench_model(const std::filesystem::path& path, const std::filesystem::path& export_path) {
  const auto file = GgufFile::open(path);
  const auto tokenizer = file ? Tokenizer::from_gguf(*file) : weft::Result<Tokenizer>(file.error());
  if (!tokenizer) {
    std::fprintf(stderr, "%s\n", tokenizer.error().message.c_str());
    return 1;
  }
  const std::string name = "mask." + path.stem().string() + ".";
  double start = cpu_seconds();
  const auto trie = TokenTrie::of(*tokenizer);
  print_row(name + "vocabulary", 1e3 * (cpu_seconds() - start), "ms");
  std::vector<double> compiled, seconds, first;
  std::mt19937 random(1);
  std::vector<Texts> texts;
  for (const std::string& schema : kSchemas) {
    start = cpu_seconds();
    const auto automaton = compile(*read_json_schema(schema));
    compiled.push_back(cpu_seconds() - start);
    // The first text pays for what is kept with the vocabulary.
    Recogniser cold(*automaton, *trie);
    Texts& made = texts.emplace_back();
    made.push_back(make_text(cold, random, first));
    for (std::size_t i = 0; i < kTexts; ++i) {
      Recogniser recogniser(*automaton, *trie);
      made.push_back(make_text(recogniser, random, seconds));
    }
  }
  if (!export_path.empty()) export_to(export_path, **trie, texts);
  const auto mean = [](const std::vector<double>& list) {
    double sum = 0;
    for (const double each : list) sum += each;
    return sum / static_cast<double>(list.size());
  };
  print_row(name + "compile", 1e3 * mean(compiled), "ms");
  print_row(name + "compile_max", 1e3 * std::ranges::max(compiled), "ms");
  print_row(name + "first", 1e6 * mean(first), "us");
  print_row(name + "mean", 1e6 * mean(seconds), "us");
  std::ranges::sort(seconds);
  print_row(name + "p50", 1e6 * seconds[seconds.size() / 2], "us");
  print_row(name + "p99", 1e6 * seconds[seconds.size() * 99 / 100], "us");
  std::vector<float> logits(tokenizer->size());
  const std::vector<std::uint64_t> bits((tokenizer->size() + 63) / 64, 0xFFFF'0000'FFFF'FFFE);
  start = cpu_seconds();
  for (int i = 0; i < 100; ++i) apply_mask(bits, logits);
  print_row(name + "apply", 1e4 * (cpu_seconds() - start), "us");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool exports = arguments.size() > 2 && arguments[0] == "--export";
  const std::filesystem::path export_path = exports ? arguments[1] : "";
  if (arguments.empty()) {
    std::fprintf(stderr, "usage: weft_mask_bench [--export FILE] MODEL.gguf [...]\n");
    return 2;
  }
  for (std::size_t i = exports ? 2 : 0; i < arguments.size(); ++i) {
    if (bench_model(arguments[i], export_path) != 0) return 1;
  }
  return 0;
}
