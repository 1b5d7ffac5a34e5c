#pragma once
// Prints an answer as it comes, and, where the user wants it, the thinking before it.

#include <string_view>

#include "cli/console.h"
#include "cli/context.h"
#include "inference/generate.h"

namespace CLI {
class App;
}

namespace weft::cli {

/// Adds --show-thinking; `shows` must outlive the parsing.
void add_show_thinking(CLI::App& verb, bool& shows);

/// Says so where flags about thinking were given and the model has no marks for it.
void note_unused_think_flags(const Context& context, const Engine& engine, bool shows_thinking);

/// Prints nothing where the result is JSON. Borrows the console, and is borrowed by what it gives.
class SpanPrinter {
 public:
  SpanPrinter(Console& console, bool shows_thinking)
      : console_(console), shows_thinking_(shows_thinking) {}

  inference::OnText on_think();
  inference::OnText on_text();

 private:
  Console& console_;
  bool shows_thinking_;
  bool has_thought_ = false;
};

}  // namespace weft::cli
