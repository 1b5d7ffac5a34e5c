// Process-wide set-up: signals become a stop token, broken pipes become write errors.

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <stop_token>
#include <string>
#include <thread>

#include "base/paths.h"
#include "cli/exit_code.h"
#include "cli/run.h"

// Gives descriptors 0 to 2 a use if the caller closed them: else the next file that is opened gets
// their number, and messages are written into it. What should be written is opened to read, so that
// writing fails as it should.
static void fill_standard_descriptors() {
  for (const int wanted : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(wanted, F_GETFD) >= 0) continue;
    const int got = open("/dev/null", wanted == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    if (got != wanted) std::abort();  // the lowest free one is given; 0 to wanted - 1 are in use
  }
}

int main(int argc, char** argv) {
  fill_standard_descriptors();
  std::signal(SIGPIPE, SIG_IGN);
  // Blocked before any thread starts, so that only the waiter below sees them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::stop_source interrupted;
  std::thread([signals, interrupted]() mutable {
    int signal = 0;
    sigwait(&signals, &signal);
    interrupted.request_stop();
    sigwait(&signals, &signal);  // asked twice: at once
    _exit(static_cast<int>(weft::cli::ExitCode::kInterrupted));
  }).detach();

  return weft::cli::run({.arguments = std::vector<std::string>(argv + 1, argv + argc),
                         .environment = weft::read_environment(environ),
                         .stop = interrupted.get_token()});
}
