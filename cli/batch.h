#pragma once
// JSON Lines in, JSON Lines out: one request a line, one result a line, in order. A line that fails
// gives {"id", "error"} and the rest go on.

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/context.h"
#include "cli/exit_code.h"

namespace CLI {
class App;
}

namespace weft::cli {

/// One line's fields with typed access; what isn't in `known` is reported in "warnings".
class BatchLine {
 public:
  /// Errors: kInvalidArgument if `text` isn't a JSON object.
  static Result<BatchLine> parse(std::string_view text, const std::vector<std::string>& known);

  const nlohmann::ordered_json& object() const noexcept { return *object_; }
  bool has(const std::string& key) const;
  /// Errors: kInvalidArgument names the key if its value has another type, or is missing where
  /// there is no fallback.
  Result<std::string> string(const std::string& key) const;
  Result<double> number(const std::string& key, double fallback) const;
  Result<std::size_t> count(const std::string& key, std::size_t fallback) const;
  Result<bool> boolean(const std::string& key, bool fallback) const;
  Result<std::vector<std::string>> strings(const std::string& key) const;  // none if missing

 private:
  std::shared_ptr<const nlohmann::ordered_json> object_;
};

using BatchHandler = std::function<Result<nlohmann::ordered_json>(const BatchLine&)>;

/// Adds the flag --batch, whose help says what is done with each line and names its keys; `file`
/// must outlive the parsing.
void add_batch_option(CLI::App& verb, std::string& file, const std::string& what_is_done,
                      const std::vector<std::string>& keys);

/// Runs `handler` on every line of `file` ("-" is standard input). kPartial if some lines failed,
/// kFailed if all did or the output can't be written, kInterrupted after Ctrl-C.
/// Errors: those of read_input() for the file.
Result<ExitCode> run_batch(Context& context, const std::string& file,
                           const std::vector<std::string>& known, const BatchHandler& handler);

/// The same for work that is faster on several lines at once: `handler` gets up to `lines_max`
/// lines and returns as many results, in their order; its own Error counts for each of them.
using GroupHandler = std::function<Result<std::vector<Result<nlohmann::ordered_json>>>(
    std::span<const BatchLine> lines)>;
Result<ExitCode> run_batch_groups(Context& context, const std::string& file,
                                  const std::vector<std::string>& known, std::size_t lines_max,
                                  const GroupHandler& handler);

/// The same for work that waits, on a server say: `threads` lines are with `handler` at once, each
/// on a thread of its own, whose number is the first argument. Lines of a few rounds are printed
/// together, so that a slow one holds up no thread but its own.
using ThreadedHandler =
    std::function<Result<nlohmann::ordered_json>(std::size_t thread, const BatchLine& line)>;
Result<ExitCode> run_batch_side_by_side(Context& context, const std::string& file,
                                        const std::vector<std::string>& known, std::size_t threads,
                                        const ThreadedHandler& handler);

}  // namespace weft::cli
