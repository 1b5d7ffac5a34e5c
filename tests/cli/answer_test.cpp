// Verbs that answer, from the command line to what they print, on tiny random models.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/run.h"
#include "tests/fakes/temp_dir.h"
#include "tests/fakes/tiny_model.h"

namespace weft::cli {
namespace {

using Json = nlohmann::json;

/// The assistant's turn begins within a thought, as DeepSeek-R1's does.
const char* const kThinkingTemplate =
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n<think>\n";

struct Printed {
  std::string out;
  std::string err;

  Json json() const { return Json::parse(out); }
  std::vector<Json> lines() const {
    std::vector<Json> rows;
    std::istringstream stream(out);
    for (std::string line; std::getline(stream, line);) rows.push_back(Json::parse(line));
    return rows;
  }
};

struct Fixture {
  test::TempDir home;
  std::string model = (home / "tiny.gguf").string();

  explicit Fixture(fakes::TinyModelOptions options = {}) {
    options.context_length = 4096;
    fakes::write_tiny_model(model, options);
    std::filesystem::create_directory(home / "docs");
    write("docs/moon.md", "# Moon\n\nApollo 11 landed on the Moon in 1969.\n");
    write("docs/mars.md", "# Mars\n\nViking 1 landed on Mars in 1976, and Viking 2 after it.\n");
    weft({"index", (home / "docs").string()});
  }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(home / name) << text;
  }
  Printed weft(std::vector<std::string> arguments) const {
    auto [code, printed] = call(std::move(arguments));
    INFO(printed.out << printed.err);
    REQUIRE(code == 0);
    return printed;
  }
  void fails(std::vector<std::string> arguments, const std::string& why) const {
    const auto [code, printed] = call(std::move(arguments));
    CHECK(code != 0);
    CHECK(printed.err.find(why) != std::string::npos);
  }
  std::pair<int, Printed> call(std::vector<std::string> arguments) const {
    const auto text_of = [](std::FILE* file) {
      std::string text;
      std::rewind(file);
      for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
      std::fclose(file);
      return text;
    };
    std::FILE* out = std::tmpfile();
    std::FILE* err = std::tmpfile();
    REQUIRE((out != nullptr && err != nullptr));
    const int code = run(
        {.arguments = std::move(arguments),
         .environment = {{"WEFT_HOME", (home / "data").string()}, {"HOME", home.path().string()}},
         .out = out,
         .err = err});
    return {code, {text_of(out), text_of(err)}};
  }
  /// A conversation whose turns are the lines of a file.
  std::vector<Json> chat(const std::string& lines, std::vector<std::string> flags) const {
    const int kept = dup(STDIN_FILENO);
    const int file = open((home / lines).c_str(), O_RDONLY);
    REQUIRE((kept >= 0 && file >= 0 && dup2(file, STDIN_FILENO) == STDIN_FILENO));
    close(file);
    flags.insert(flags.begin(), {"chat", "--json", "--threshold", "0"});
    const Printed printed = answer(std::move(flags));
    dup2(kept, STDIN_FILENO);
    close(kept);
    return printed.lines();
  }
  /// A verb on the tiny model, whose answers are never withheld.
  Printed answer(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--model", model, "--max-tokens", "6"});
    if (arguments.front() == "ask") arguments.insert(arguments.end(), {"--threshold", "0"});
    return weft(std::move(arguments));
  }
};

TEST_CASE("a prefill begins the answer of ask, and a batch's line may have its own") {
  const Fixture f;
  const auto alone = f.answer({"ask", "When was Apollo?", "--json", "--prefill", "In the"}).json();
  CHECK(alone["answer"].get<std::string>().starts_with("In the"));
  const auto plain = f.answer({"ask", "When was Apollo?", "--json"}).json();
  CHECK(alone["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"]);
  CHECK(alone["usage"]["answer_tokens"] <= 6);
  f.write("lines", R"({"question": "When was Apollo?"}
{"question": "When was Apollo?", "prefill": "On the", "id": 2}
)");
  const auto rows =
      f.answer({"ask", "--batch", (f.home / "lines").string(), "--prefill", "In the"}).lines();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0]["answer"] == alone["answer"]);
  CHECK(rows[1]["answer"].get<std::string>().starts_with("On the"));
  CHECK(rows[1]["id"] == 2);
}

TEST_CASE("passages of an earlier question aren't read again, and the answers are the same") {
  const Fixture f;
  f.write("lines", R"({"question": "When was Apollo?"}
{"question": "When was Viking on Mars?"}
{"question": "And Apollo was when, and how?"}
{"question": "When was Apollo?"}
)");
  const auto ask = [&](const char* megabytes) {
    return f
        .answer(
            {"ask", "--batch", (f.home / "lines").string(), "-k", "1", "--prefix-cache", megabytes})
        .lines();
  };
  const auto cached = ask("64"), apart = ask("0");
  REQUIRE(cached.size() == 4);
  for (std::size_t i = 0; i < 4; ++i) {
    INFO("line " << i);
    for (const char* field : {"answer", "confidence", "evidence", "passages", "kv_bytes"}) {
      CHECK(cached[i][field] == apart[i][field]);
    }
    CHECK(cached[i]["kv_bytes"] > 0);
  }
  const auto count = [](const Json& row) { return row["usage"]["cached_tokens"].get<int>(); };

  CHECK(count(cached[2]) > count(apart[2]) + 40);  // the passage's, beside the instruction's
  CHECK(count(cached[3]) == count(cached[2]));     // up to the question, which is read anew
}

TEST_CASE("thoughts are capped, counted apart and shown only where they are asked for") {
  const Fixture f({.chat_template = kThinkingTemplate, .think_marks = true, .seed = 2});
  const std::vector<std::vector<std::string>> verbs = {{"complete", "Why?"},
                                                       {"ask", "When was Apollo?"}};
  for (auto verb : verbs) {
    INFO(verb.front());
    verb.insert(verb.end(), {"--think-tokens", "12"});
    const auto with = [&](const char* flag) {
      auto arguments = verb;
      arguments.emplace_back(flag);
      return f.answer(arguments);
    };
    const auto made = with("--json").json();
    CHECK(made["usage"]["think_tokens"] > 0);
    CHECK(made["usage"]["think_tokens"] <= 12);
    CHECK(made["usage"]["answer_tokens"] > 0);
    const auto thinking = made["thinking"].get<std::string>();
    const auto text = made[verb.front() == "ask" ? "answer" : "text"].get<std::string>();
    REQUIRE_FALSE(thinking.empty());
    CHECK(text.find("think>") == std::string::npos);
    const Printed shown = with("--show-thinking"), hidden = f.answer(verb);
    CHECK(shown.out.starts_with(thinking));
    CHECK(shown.out.find("\n\n" + text) != std::string::npos);
    CHECK(hidden.out.starts_with(text));
    CHECK(shown.err.find("marks of thinking") == std::string::npos);
  }
}

TEST_CASE("flags about thinking are noted where a model has no marks for it") {
  const Fixture f({.chat_template = kThinkingTemplate});
  const auto note_of = [&](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"complete", "Why?", "--json"});
    return f.answer(std::move(flags)).err;
  };
  CHECK(note_of({}).find("marks of thinking") == std::string::npos);
  const auto note = note_of({"--show-thinking", "--think-tokens", "5"});
  CHECK(note.find("--show-thinking and --think-tokens without effect") != std::string::npos);
  CHECK(std::ranges::count(note, '\n') == 1);
  CHECK(note_of({"--think-tokens", "5"}).find(": --think-tokens without") != std::string::npos);
}

TEST_CASE("recorded answers are shown node by node, exported, given again, and forgotten") {
  const Fixture f;
  const std::string picture = f.weft({"ask", "--mermaid"}).out;
  CHECK(picture.starts_with("flowchart"));
  CHECK(f.weft({"ask", "--dot"}).out.starts_with("digraph"));
  auto told = f.answer({"ask", "When was Apollo?", "--json", "--record"}).json();
  const auto id = told["run"].get<std::string>();
  CHECK_FALSE(f.answer({"ask", "When was Apollo?", "--json"}).json().contains("run"));

  const auto run = f.weft({"trace", "show", id, "--values", "--json"}).json();
  std::vector<std::string> nodes;
  for (const Json& event : run["events"]) {
    nodes.push_back(event["path"]);
    INFO(nodes.back());
    CHECK(picture.find(nodes.back().substr(nodes.back().rfind('/') + 1)) != std::string::npos);
    CHECK(event["end_s"] >= event["begin_s"]);
    CHECK(event.contains("value"));
  }
  CHECK(nodes == std::vector<std::string>{"retrieve", "reply/compose", "reply/question alone",
                                          "reply/answer", "cite"});
  CHECK(run["events"][3]["usage"]["output_tokens"] == told["usage"]["answer_tokens"]);
  CHECK(run["events"][3]["label"] == "chat " + f.model);
  const auto spans = f.weft({"trace", "export", id}).json()["resourceSpans"][0]["scopeSpans"][0];
  CHECK(spans["spans"].size() == 6);

  const std::string drawn = f.weft({"trace", "show", id, "--mermaid"}).out;
  CHECK(drawn.find(" tokens") != std::string::npos);  // with what each node took

  std::filesystem::remove(f.model);  // what was recorded is enough
  auto again = f.weft({"replay", id, "--json"}).json();
  for (Json* each : {&told, &again}) (*each)["timing"].erase("load_s");
  CHECK(again == told);
  CHECK(f.weft({"replay", id}).out.starts_with(told["answer"].get<std::string>()));
  f.fails({"resume", id}, "ask again");

  const auto source = told["passages"][0]["source"].get<std::string>();
  CHECK(f.weft({"trace", "forget", source, "--json"}).json()["redacted"] == 1);
  f.fails({"replay", id}, "redacted");
}

TEST_CASE("each turn of a recorded chat is a run that knows what it follows from") {
  const Fixture f;
  f.write("turns", "When was Apollo?\nxyzzy plugh?\n");
  const auto turns = f.chat("turns", {"-k", "1", "--trace", (f.home / "runs.db").string()});
  REQUIRE(turns.size() == 2);
  CHECK(turns[1]["passages"].empty());
  const auto source = turns[0]["passages"][0]["source"].get<std::string>();
  const auto forgotten =
      f.weft({"trace", "forget", source, "--json", "--trace", (f.home / "runs.db").string()});
  CHECK(forgotten.json()["redacted"] == 2);
}

TEST_CASE("perplexity says how many bytes keys and values take") {
  const Fixture f;
  f.write("text", std::string(200, 'a'));
  const auto made = f.weft({"perplexity", "-f", (f.home / "text").string(), "--ctx", "80",
                            "--model", f.model, "--json"})
                        .json();
  const auto one_block = f.answer({"complete", "hi", "--raw", "--json"}).json()["kv_bytes"];
  CHECK(made["kv_bytes"] == 2 * one_block.get<std::size_t>());  // 79 tokens
}

}  // namespace
}  // namespace weft::cli
