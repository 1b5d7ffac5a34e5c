// Deterministic mutations of real templates: whatever comes out, parse() and render() return.

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include "inference/chat_template.h"
#include "tests/fuzz/rounds.h"

using nlohmann::ordered_json;
using weft::inference::ChatTemplate;
using weft::inference::ChatTemplateOptions;

static constexpr std::uint64_t kMutationsMin = 30'000;

static ordered_json read_json(const std::filesystem::path& path) {
  std::ifstream file(path);
  REQUIRE(file);
  return ordered_json::parse(file);
}

static std::vector<std::string> seeds() {
  const std::filesystem::path golden = WEFT_SOURCE_DIR "/tests/golden";
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(golden / "templates")) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> out;
  for (const auto& path : paths) out.push_back(read_json(path)["template"].get<std::string>());
  std::string all;
  const ordered_json expressions = read_json(golden / "template_expressions.json");
  for (const auto& one : expressions["cases"]) {
    all += one["template"].get<std::string>();
    if (all.size() > 500) {
      out.push_back(all);
      all.clear();
    }
  }
  return out;
}

static std::string part_of(const std::string& text, std::mt19937& random) {
  const std::size_t at = random() % (text.size() + 1);
  return text.substr(at, 1 + random() % 60);
}

static void mutate(std::string& text, std::mt19937& random, const std::string& other) {
  static constexpr std::string_view kPieces[] = {"{{",
                                                 "}}",
                                                 "{%",
                                                 "%}",
                                                 "-%}",
                                                 "{%-",
                                                 "{#",
                                                 "#}",
                                                 "(",
                                                 ")",
                                                 "[",
                                                 "]",
                                                 "{",
                                                 "}",
                                                 "'",
                                                 "\"",
                                                 "\\",
                                                 "|",
                                                 "is ",
                                                 "not ",
                                                 "in ",
                                                 "~",
                                                 "**",
                                                 "//",
                                                 "99999999",
                                                 "-1",
                                                 "loop",
                                                 "ns",
                                                 "messages",
                                                 "{% for x in messages %}",
                                                 "{% endfor %}",
                                                 "{% if x %}",
                                                 "{% endif %}",
                                                 "| tojson",
                                                 "[::-1]",
                                                 "* 999999",
                                                 "range(99999)",
                                                 "\xff",
                                                 "\xe2\x82",
                                                 "\n",
                                                 "{% raw %}",
                                                 "{% break %}",
                                                 ".items()",
                                                 "{% macro m() %}",
                                                 "{% endmacro %}",
                                                 "m()",
                                                 "|join",
                                                 "| sort",
                                                 "namespace(a=1)",
                                                 "none",
                                                 ","};
  const std::size_t at = text.empty() ? 0 : random() % text.size();
  const std::size_t size = std::min<std::size_t>(1 + random() % 20, text.size() - at);
  switch (random() % 6) {
    case 0:
      text.erase(at, size);
      break;
    case 1:
      text.insert(at, kPieces[random() % std::size(kPieces)]);
      break;
    case 2:
      text.insert(at, part_of(text, random));
      break;
    case 3:
      if (!text.empty()) text[at] = static_cast<char>(random());
      break;
    case 4:
      text.erase(at, size);
      text.insert(at, part_of(other, random));
      break;
    default:
      if (random() % 4 == 0) text.resize(at);
  }
}

TEST_CASE("no mutation of a template crashes or hangs") {
  const auto golden = read_json(WEFT_SOURCE_DIR "/tests/golden/templates/qwen2.5-coder-0.5b.json");
  const ordered_json variables = golden["cases"][7]["variables"];
  REQUIRE(variables["messages"].size() == 5);
  ChatTemplateOptions options;
  options.limits.steps_max = 20'000;
  options.limits.output_bytes_max = 1 << 16;
  const std::vector<std::string> corpus = seeds();
  std::size_t rendered = 0;
  std::size_t refused = 0;
  weft::test::Rounds rounds("templates", {.inputs_min = kMutationsMin});
  while (rounds.next()) {
    CAPTURE(rounds.seed());
    std::mt19937 random(static_cast<unsigned>(rounds.seed()));
    std::string text = corpus[rounds.seed() % corpus.size()];
    const std::size_t count = 1 + random() % 4;
    for (std::size_t k = 0; k < count; ++k) {
      mutate(text, random, corpus[random() % corpus.size()]);
    }
    const auto parsed = ChatTemplate::parse(text);
    const auto spans = parsed
                           ? parsed->render_json(variables, options)
                           : weft::Result<std::vector<weft::inference::TextSpan>>(parsed.error());
    if (spans) {
      std::size_t bytes = 0;
      for (const auto& span : *spans) bytes += span.text.size();
      REQUIRE(bytes <= options.limits.output_bytes_max);
      ++rendered;
    } else {
      REQUIRE_FALSE(spans.error().message.empty());
      ++refused;
    }
  }
  // Both ways must have been walked for the test to mean something.
  CHECK(rendered > 200);
  CHECK(refused > 1000);
}

TEST_CASE("every truncation of a template is rendered or refused") {
  const auto golden = read_json(WEFT_SOURCE_DIR "/tests/golden/templates/qwen2.5-coder-0.5b.json");
  const std::string text = golden["template"].get<std::string>();
  const ordered_json variables = golden["cases"][7]["variables"];
  std::size_t refused = 0;
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto parsed = ChatTemplate::parse(text.substr(0, size));
    if (!parsed || !parsed->render_json(variables, {})) ++refused;
  }
  CHECK(refused > text.size() / 2);
}
