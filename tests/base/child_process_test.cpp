#include "base/child_process.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <thread>

using namespace std::chrono_literals;

namespace weft {
namespace {

ChildOptions shell(std::string script) { return {.argv = {"/bin/sh", "-c", std::move(script)}}; }

std::size_t open_files() {
  std::size_t count = 0;
  DIR* folder = ::opendir("/proc/self/fd");
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

bool alive_now(const std::string& pid) {
  // A killed grandchild may stay a zombie until init reaps it: that counts as dead.
  ChildOptions ps = shell("read -r line < /proc/" + pid + "/stat && echo \"$line\"");
  const auto found = run_child(ps);
  return found && found->ok() && found->output.find(") Z ") == std::string::npos;
}

// A killed process dies when the machine gets round to it.
bool alive(const std::string& pid) {
  for (int look = 0; look < 100 && alive_now(pid); ++look) {
    std::this_thread::sleep_for(50ms);
  }
  return alive_now(pid);
}

}  // namespace

TEST_CASE("a child's output, errors and exit code come back") {
  const auto result = run_child(shell("echo out; echo err >&2; exit 3"));
  REQUIRE(result);
  CHECK(result->output == "out\n");
  CHECK(result->errors == "err\n");
  CHECK(result->exit_code == 3);
  CHECK(result->signal == 0);
  CHECK_FALSE(result->ok());
}

TEST_CASE("arguments reach the child as they are, without a shell") {
  const auto result = run_child({.argv = {"printf", "%s|", "a b", "$HOME", "*", "", "'"}});
  REQUIRE(result);
  CHECK(result->output == "a b|$HOME|*||'|");
}

TEST_CASE("input larger than a pipe goes through while the output comes back") {
  std::string input(3'000'000, 'x');
  for (std::size_t i = 0; i < input.size(); i += 7) input[i] = static_cast<char>(i);
  const auto result = run_child({.argv = {"cat"}, .input = input});
  REQUIRE(result);
  CHECK(result->output == input);
}

TEST_CASE("a child that doesn't read its input is no error") {
  const std::string input(1'000'000, 'x');
  const auto result = run_child({.argv = {"true"}, .input = input});
  REQUIRE(result);
  CHECK(result->ok());
}

TEST_CASE("a child without input sees the end of file at once") {
  const auto result = run_child({.argv = {"cat"}});
  REQUIRE(result);
  CHECK(result->output.empty());
}

TEST_CASE("a child over its time is killed with all that it started") {
  ChildOptions options = shell("sleep 100 & echo $!; sleep 100");
  std::string pid;
  options.on_output = [&](std::string_view piece) { pid += piece; };
  options.timeout = 300ms;
  const auto begin = std::chrono::steady_clock::now();
  const auto result = run_child(options);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kDeadlineExceeded);
  CHECK(std::chrono::steady_clock::now() - begin < 20s);
  REQUIRE_FALSE(pid.empty());
  pid.pop_back();
  CHECK_FALSE(alive(pid));
}

TEST_CASE("a grandchild that keeps the pipe open doesn't hold up the end, and is killed") {
  const auto begin = std::chrono::steady_clock::now();
  const auto result = run_child(shell("sleep 100 & echo $!"));
  REQUIRE(result);
  CHECK(std::chrono::steady_clock::now() - begin < 20s);
  CHECK_FALSE(alive(result->output.substr(0, result->output.size() - 1)));
}

TEST_CASE("a stop request ends the child") {
  std::stop_source source;
  ChildOptions options{.argv = {"sleep", "100"}, .stop = source.get_token()};
  std::jthread stopper([&] { source.request_stop(); });
  const auto result = run_child(options);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kCancelled);
}

TEST_CASE("output without end is cut off with an error, whether or not it is streamed") {
  ChildOptions options{.argv = {"yes"}, .output_bytes_max = 100'000};
  const auto result = run_child(options);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kResourceExhausted);
  std::size_t seen = 0;
  options.on_output = [&](std::string_view piece) { seen += piece.size(); };
  CHECK(run_child(options).error().code == ErrorCode::kResourceExhausted);
  CHECK(seen <= 100'000);
}

TEST_CASE("errors without end don't hide the deadline") {
  ChildOptions options = shell("exec yes >&2");
  options.timeout = 200ms;
  CHECK(run_child(options).error().code == ErrorCode::kDeadlineExceeded);
}

TEST_CASE("of long errors the last bytes are kept") {
  ChildOptions options = shell("yes | head -c 200000 >&2; echo end >&2");
  options.errors_bytes_max = 10;
  const auto result = run_child(options);
  REQUIRE(result);
  CHECK(result->errors == "y\ny\ny\nend\n");
}

TEST_CASE("the child sees the allowed part of the environment alone") {
  ::setenv("WEFT_TEST_SECRET", "secret", 1);
  ::setenv("WEFT_TEST_SHOWN", "shown", 1);
  ChildOptions options{.argv = {"/usr/bin/env"},
                       .environment_kept = {"WEFT_TEST_SHOWN", "WEFT_TEST_UNSET", "LANG"},
                       .environment_set = {"LANG=C"}};
  const auto result = run_child(options);
  ::unsetenv("WEFT_TEST_SECRET");
  ::unsetenv("WEFT_TEST_SHOWN");
  REQUIRE(result);
  CHECK(result->output == "LANG=C\nWEFT_TEST_SHOWN=shown\n");
}

TEST_CASE("the child inherits no open file and starts with ordinary signals") {
  const int leaked = ::dup(1);  // without close-on-exec
  const auto result = run_child(shell("ls /proc/self/fd | tr '\\n' ' '"));
  ::close(leaked);
  REQUIRE(result);
  CHECK(result->output == "0 1 2 3 ");  // 3 is the folder that ls reads
}

TEST_CASE("memory and processor time are limited") {
  ChildOptions hungry = shell("x=$(yes | head -c 300000000); echo survived");
  hungry.memory_bytes_max = 64U << 20;
  const auto starved = run_child(hungry);
  REQUIRE(starved);
  CHECK_FALSE(starved->ok());
  CHECK(starved->output.empty());

  ChildOptions busy = shell("while :; do :; done");
  busy.cpu_time_max = 1s;
  const auto stopped = run_child(busy);
  REQUIRE(stopped);
  CHECK((stopped->signal == SIGXCPU || stopped->signal == SIGKILL));
}

TEST_CASE("a program that isn't there or can't start is an error that names it") {
  const auto missing = run_child({.argv = {"no-such-program-of-weft"}});
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kNotFound);
  CHECK(missing.error().message.find("no-such-program-of-weft") != std::string::npos);
  CHECK(run_child({.argv = {"/etc/passwd"}}).error().code == ErrorCode::kNotFound);
  CHECK(run_child({.argv = {"/"}}).error().code == ErrorCode::kNotFound);
  CHECK(run_child({}).error().code == ErrorCode::kInvalidArgument);
  CHECK(run_child({.argv = {"true", std::string("a\0b", 3)}}).error().code ==
        ErrorCode::kInvalidArgument);
  const auto nowhere = run_child({.argv = {"true"}, .working_directory = "/no/such/folder"});
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().code == ErrorCode::kIo);
}

TEST_CASE("the working directory is the one asked for") {
  const auto result = run_child({.argv = {"/bin/pwd"}, .working_directory = "/usr"});
  REQUIRE(result);
  CHECK(result->output == "/usr\n");
}

TEST_CASE("many runs leave no zombie and no open file behind") {
  const std::size_t before = open_files();
  for (int i = 0; i < 50; ++i) REQUIRE(run_child({.argv = {"true"}})->ok());
  CHECK(open_files() == before);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE("children of several threads run side by side") {
  std::vector<std::jthread> threads;
  std::vector<std::string> outputs(8);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    threads.emplace_back([&outputs, i] {
      const std::string text = std::to_string(i);
      const auto result = run_child({.argv = {"cat"}, .input = text});
      if (result) outputs[i] = result->output;
    });
  }
  threads.clear();
  for (std::size_t i = 0; i < outputs.size(); ++i) CHECK(outputs[i] == std::to_string(i));
}

}  // namespace weft
