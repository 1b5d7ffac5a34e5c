// `weft chat`: a conversation over a collection; each turn retrieves anew.

#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/adapter_flags.h"
#include "cli/answer_output.h"
#include "cli/collections.h"
#include "cli/span_printer.h"
#include "cli/traces.h"
#include "cli/verbs.h"

namespace weft::cli {
namespace {

constexpr int kPollMilliseconds = 100;
constexpr std::size_t kLineBytesMax = 1 << 20;
constexpr std::size_t kTurnsMax = 16;  // question and answer pairs that are kept

struct Options {
  bool show_thinking = false;
  AdapterFlags adapters;
  RecordFlags recording;
};

enum class Input { kLine, kEnd, kInterrupted };

// Standard input line by line, giving up when Ctrl-C comes.
class LineReader {
 public:
  Input next(std::stop_token stop, std::string& line) {
    for (;;) {
      if (const auto newline = buffer_.find('\n'); newline != std::string::npos) {
        line = buffer_.substr(0, newline);
        buffer_.erase(0, newline + 1);
        return Input::kLine;
      }
      if (stop.stop_requested()) return Input::kInterrupted;
      if (ended_ || buffer_.size() > kLineBytesMax) {
        if (buffer_.empty()) return Input::kEnd;
        line.swap(buffer_);
        buffer_.clear();
        return Input::kLine;
      }
      pollfd descriptor{STDIN_FILENO, POLLIN, 0};
      if (poll(&descriptor, 1, kPollMilliseconds) <= 0) continue;
      char bytes[4096];
      const auto got = read(STDIN_FILENO, bytes, sizeof bytes);
      if (got > 0) {
        buffer_.append(bytes, static_cast<std::size_t>(got));
      } else {
        ended_ = true;
      }
    }
  }

 private:
  std::string buffer_;
  bool ended_ = false;
};

Result<ExitCode> run_chat(Context& context, const Options& chat) {
  WEFT_TRY(store, open_store(context));
  WEFT_TRY(answering, open_answering(context, store, chat.show_thinking, chat.adapters));
  Console& console = context.console;
  const bool prompt = isatty(STDIN_FILENO) == 1 && !console.json_result();
  if (prompt) {
    console.note("Ask about the documents in \"" + context.config.string("retrieval.collection") +
                 "\". /clear forgets the conversation; /quit or Ctrl-D ends it.");
  }
  WEFT_TRY(trace, open_recording(context, chat.recording));
  auto options = answer_options(context);
  options.trace = trace.get();
  LineReader reader;
  std::string line;
  for (;;) {
    if (prompt) console.print("\n> ");
    const Input input = reader.next(context.stop, line);
    if (input == Input::kInterrupted) return ExitCode::kInterrupted;
    if (input == Input::kEnd || line == "/quit" || line == "/exit") return ExitCode::kDone;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (line == "/clear") {
      options.history.clear();
      options.history_sources.clear();
      continue;
    }
    SpanPrinter printer(console, chat.show_thinking);
    options.on_think = printer.on_think();
    auto answer = answering.agent->ask(line, options, printer.on_text());
    if (!answer) return std::move(answer).error();
    if (console.json_result()) {
      console.print_json(answer_json(*answer, answering.engine));
    } else {
      console.print(answer_text(*answer, console));
      note_recorded(*answer, console);
    }
    if (answer->finish_reason == inference::FinishReason::kCancelled) {
      return ExitCode::kInterrupted;
    }
    // A model that reads its own refusals refuses again.
    if (answer->abstained) continue;
    options.history.push_back({"user", line});
    options.history.push_back({"assistant", answer->text});
    // What is in turns that are dropped may be in the answers to those after them.
    for (const auto& passage : answer->passages) options.history_sources.insert(passage.source);
    if (options.history.size() > 2 * kTurnsMax) {
      options.history.erase(options.history.begin(), options.history.begin() + 2);
    }
  }
}

}  // namespace

void add_chat(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand("chat", "Ask question after question, one a line");
  const auto options = std::make_shared<Options>();
  add_show_thinking(*verb, options->show_thinking);
  add_adapter_flags(*verb, options->adapters);
  add_record_flags(*verb, options->recording);
  add_answer_settings(*verb, parsed);
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_chat(context, *options); };
  });
}

}  // namespace weft::cli
