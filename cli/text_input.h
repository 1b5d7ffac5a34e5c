#pragma once
// A text that a user gives as an argument, in a file, or on standard input.

#include <cstddef>
#include <optional>
#include <string>

#include "base/result.h"
#include "cli/context.h"

namespace CLI {
class App;
}

namespace weft::cli {

struct TextInput {
  std::optional<std::string> text;
  std::string file;  // "-" is standard input
};

/// Adds the argument `name` and the flag -f,--file to a verb; `input` must outlive the parsing.
void add_text_input(CLI::App& verb, TextInput& input, const std::string& name);

/// The text given; standard input's if none was, which a person at a terminal is told.
/// Errors: kInvalidArgument if there are two texts, and those of read_input().
Result<std::string> read_text(const Context& context, const TextInput& input,
                              std::size_t bytes_max);

/// A file's bytes; "-" is standard input. Errors: kInvalidArgument if it can't be opened, kIo,
/// kResourceExhausted past `bytes_max`, kCancelled by context.stop while it waits.
Result<std::string> read_input(const Context& context, const std::string& file,
                               std::size_t bytes_max);

}  // namespace weft::cli
