#pragma once
// Runs another program to its end, inside limits: no shell, a cleared environment, its own process
// group that is killed as a whole, so that nothing of it outlives the call.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft {

struct ChildOptions {
  std::vector<std::string> argv;  // argv[0]: a path, or a name looked up in this process's PATH
  std::string_view input;         // the child's stdin, borrowed until return; empty: /dev/null
  std::string working_directory;  // empty: this process's

  /// Variables of this process that the child inherits if they are set; it sees no others.
  std::vector<std::string> environment_kept = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"};
  std::vector<std::string> environment_set;  // "NAME=value", in place of a kept one

  std::chrono::milliseconds timeout{60'000};  // wall clock
  std::uint64_t memory_bytes_max = 0;         // address space (RLIMIT_AS); 0: no limit
  std::chrono::seconds cpu_time_max{0};       // RLIMIT_CPU; 0: no limit
  std::size_t output_bytes_max = 16U << 20;   // more on stdout ends the child: an error
  std::size_t errors_bytes_max = 64U << 10;   // of stderr the last that many bytes are kept
  std::stop_token stop;

  /// If set, gets stdout piece by piece as it comes, on the calling thread, and ChildResult::output
  /// stays empty; output_bytes_max holds for the sum. Must not throw.
  std::function<void(std::string_view)> on_output;
};

struct ChildResult {
  int exit_code = 0;   // meaningful if signal is 0
  int signal = 0;      // the signal that ended it, such as SIGXCPU; 0: it exited
  std::string output;  // stdout
  std::string errors;  // stderr

  bool ok() const noexcept { return exit_code == 0 && signal == 0; }
};

/// The file that running `program` would start: itself if it has a '/', else the first executable
/// file of that name in PATH. Errors: kNotFound.
Result<std::string> find_program(std::string_view program);

/// Runs the program and waits for it. A program that fails is a ChildResult, not an Error.
/// What it started and left behind in its process group is killed too.
/// Errors: kInvalidArgument (empty argv, NUL bytes), kNotFound (no such program), kIo (it couldn't
/// be started), kDeadlineExceeded, kCancelled, kResourceExhausted (output_bytes_max).
Result<ChildResult> run_child(const ChildOptions& options);

}  // namespace weft
