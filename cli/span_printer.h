#pragma once
// Prints an answer as it comes, and, where the user wants it, the thinking before it.

#include <string_view>

#include "cli/console.h"
#include "inference/generate.h"

namespace CLI {
class App;
}

namespace weft::cli {

/// Adds --show-thinking; `shows` must outlive the parsing.
void add_show_thinking(CLI::App& verb, bool& shows);

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
