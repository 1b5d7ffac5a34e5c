// Process-wide set-up: signals become a stop token, broken pipes become write errors.

#include <csignal>
#include <cstdlib>
#include <pthread.h>
#include <stop_token>
#include <string>
#include <thread>
#include <unistd.h>

#include "base/paths.h"
#include "cli/exit_code.h"
#include "cli/run.h"

int main(int argc, char** argv) {
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
