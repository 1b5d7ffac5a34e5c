#include "cli/span_printer.h"

#include <CLI/CLI.hpp>
#include <string>

#include "inference/think_span.h"

namespace weft::cli {

void add_show_thinking(CLI::App& verb, bool& shows) {
  verb.add_flag("--show-thinking", shows, "Print what the model thinks before its answer, too");
}

void note_unused_think_flags(const Context& context, const Engine& engine, bool shows_thinking) {
  std::string flags = shows_thinking ? "--show-thinking" : "";
  if (const auto& origin = context.config.entry("answer.think_tokens").origin;
      origin == "flag --think-tokens") {
    flags += flags.empty() ? "--think-tokens" : " and --think-tokens";
  }
  if (flags.empty() || inference::find_think_span(engine.model->tokenizer())) return;
  context.console.note(engine.name + " has no marks of thinking, <think> and </think>: " + flags +
                       " without effect");
}

inference::OnText SpanPrinter::on_think() {
  return [this](std::string_view text) {
    if (console_.json_result() || !shows_thinking_) return true;
    has_thought_ = true;
    return console_.print(console_.dim(text));
  };
}

inference::OnText SpanPrinter::on_text() {
  return [this](std::string_view text) {
    if (console_.json_result()) return true;
    if (has_thought_ && !console_.print("\n\n")) return false;
    has_thought_ = false;
    return console_.print(text);
  };
}

}  // namespace weft::cli
