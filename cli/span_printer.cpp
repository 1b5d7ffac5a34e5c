#include "cli/span_printer.h"

#include <CLI/CLI.hpp>

namespace weft::cli {

void add_show_thinking(CLI::App& verb, bool& shows) {
  verb.add_flag("--show-thinking", shows, "Print what the model thinks before its answer, too");
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
