#include "cli/text_input.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstring>

namespace weft::cli {
namespace {

constexpr int kPollMilliseconds = 100;  // how long Ctrl-C may go unnoticed

// Standard input, which stays open, or a file.
class Input {
 public:
  explicit Input(const std::string& file)
      : owned_(file != "-"),
        descriptor_(owned_ ? ::open(file.c_str(), O_RDONLY | O_CLOEXEC) : STDIN_FILENO) {}
  ~Input() {
    if (owned_ && descriptor_ >= 0) ::close(descriptor_);
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  int descriptor() const { return descriptor_; }

 private:
  bool owned_;
  int descriptor_;
};

}  // namespace

void add_text_input(CLI::App& verb, TextInput& input, const std::string& name) {
  std::string upper;
  for (const char c : name) upper += static_cast<char>(std::toupper(c));
  verb.add_option(name, input.text, "The " + name + "; from standard input if left out")
      ->type_name(upper);
  verb.add_option("-f,--file", input.file,
                  "Read the " + name + " from this file; - is standard input")
      ->type_name("FILE");
}

Result<std::string> read_text(const Context& context, const TextInput& input,
                              std::size_t bytes_max) {
  if (input.text && !input.file.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 "give the text as an argument or with --file, not both"};
  }
  if (input.text) return *input.text;
  return read_input(context, input.file.empty() ? "-" : input.file, bytes_max);
}

Result<std::string> read_input(const Context& context, const std::string& file,
                               std::size_t bytes_max) {
  const Input input(file);
  const std::string name = file == "-" ? "standard input" : file;
  if (input.descriptor() < 0) {
    return Error{ErrorCode::kInvalidArgument, "cannot open " + name + ": " + std::strerror(errno)};
  }
  if (isatty(input.descriptor()) == 1) {
    context.console.note("reading from the terminal; Ctrl-D ends the text, Ctrl-C gives up");
  }
  std::string text;
  for (;;) {
    if (context.stop.stop_requested()) return Error{ErrorCode::kCancelled, "interrupted"};
    pollfd waiting{input.descriptor(), POLLIN, 0};
    if (::poll(&waiting, 1, kPollMilliseconds) <= 0) continue;
    char buffer[1 << 16];
    const ssize_t got = ::read(input.descriptor(), buffer, sizeof buffer);
    if (got == 0) return text;
    if (got < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return Error{ErrorCode::kIo, "cannot read " + name + ": " + std::strerror(errno)};
    }
    if (text.size() + static_cast<std::size_t>(got) > bytes_max) {
      return Error{ErrorCode::kResourceExhausted,
                   name + " is longer than " + human_bytes(bytes_max)};
    }
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

}  // namespace weft::cli
