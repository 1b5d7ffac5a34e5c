#include "base/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

namespace weft {
namespace {

using Clock = std::chrono::steady_clock;

// How long the loop may sleep before it looks at the stop token and the child again.
constexpr std::chrono::milliseconds kPollSlice{20};
constexpr std::size_t kPieceBytes = 64U << 10;

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { reset(); }
  int get() const noexcept { return fd_; }
  bool open() const noexcept { return fd_ >= 0; }
  void reset() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

Error os_error(std::string_view what, int number) {
  return Error{ErrorCode::kIo, std::string(what) + ": " + std::strerror(number)};
}

struct Pipe {
  Fd read, write;
};

// Both ends above 2: a process that closed its stdin would otherwise get a pipe there, and the
// child's dup2 onto 0, 1, 2 would overwrite one end with another.
Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return os_error("can't make a pipe", errno);
  Pipe pipe{Fd(ends[0]), Fd(ends[1])};
  for (Fd* end : {&pipe.read, &pipe.write}) {
    if (end->get() > 2) continue;
    const int moved = ::fcntl(end->get(), F_DUPFD_CLOEXEC, 3);
    if (moved < 0) return os_error("can't make a pipe", errno);
    *end = Fd(moved);
  }
  return pipe;
}

void set_nonblocking(const Fd& fd) {
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

// Writing to a child that stopped reading raises SIGPIPE; this thread takes it as EPIPE instead,
// without touching the process's handlers.
class SigpipeBlocked {
 public:
  SigpipeBlocked() {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  SigpipeBlocked(const SigpipeBlocked&) = delete;
  SigpipeBlocked& operator=(const SigpipeBlocked&) = delete;
  ~SigpipeBlocked() {
    const timespec now{};
    if (!was_pending_) {
      while (sigtimedwait(&sigpipe_, nullptr, &now) < 0 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t sigpipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

// All that the child needs, made before fork(): after it only async-signal-safe calls are allowed,
// since another thread may have held malloc's lock.
struct Launch {
  std::string program;
  std::vector<char*> argv;
  std::vector<std::string> environment;
  std::vector<char*> envp;
  const char* working_directory = nullptr;
  std::uint64_t memory_bytes_max = 0;
  std::int64_t cpu_seconds_max = 0;
  int input = -1, output = -1, errors = -1, failure = -1;
  pid_t parent = 0;
};

void limit(int resource, std::uint64_t value) noexcept {
  const rlimit bound{value, value};
  ::setrlimit(static_cast<__rlimit_resource>(resource), &bound);
}

[[noreturn]] void child_main(const Launch& launch) noexcept {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != launch.parent) ::_exit(127);  // it died before the line above
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);

  bool ready = ::dup2(launch.input, 0) >= 0 && ::dup2(launch.output, 1) >= 0 &&
               ::dup2(launch.errors, 2) >= 0;
  ready = ready && (launch.working_directory == nullptr || ::chdir(launch.working_directory) == 0);
  if (ready) {
    // Everything above 2 closes at exec, `failure` too, whose closing tells the parent of success.
    if (::syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) != 0) {
      for (int fd = 3; fd < 4096; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    limit(RLIMIT_CORE, 0);
    if (launch.memory_bytes_max > 0) limit(RLIMIT_AS, launch.memory_bytes_max);
    if (launch.cpu_seconds_max > 0) {
      limit(RLIMIT_CPU, static_cast<std::uint64_t>(launch.cpu_seconds_max));
    }
    ::execve(launch.program.c_str(), launch.argv.data(), launch.envp.data());
  }
  const int number = errno;
  [[maybe_unused]] const auto written = ::write(launch.failure, &number, sizeof number);
  ::_exit(127);
}

bool has_nul(std::string_view text) { return text.find('\0') != text.npos; }

std::vector<std::string> make_environment(const ChildOptions& options) {
  const auto name_of = [](std::string_view entry) { return entry.substr(0, entry.find('=')); };
  std::vector<std::string> environment = options.environment_set;
  for (const std::string& name : options.environment_kept) {
    const bool replaced = std::ranges::any_of(
        options.environment_set, [&](const std::string& entry) { return name_of(entry) == name; });
    const char* value = replaced ? nullptr : std::getenv(name.c_str());
    if (value != nullptr) environment.push_back(name + "=" + value);
  }
  return environment;
}

// The parent's side of a running child. Destroying it kills the group and reaps.
class Running {
 public:
  Running(pid_t pid, const ChildOptions& options) : pid_(pid), options_(options) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() { end(); }

  Result<ChildResult> run(Fd input, Fd output, Fd errors);

 private:
  // Ended but not reaped: a zombie keeps its process group's number from being given away.
  bool exited() const {
    siginfo_t info{};
    const int answer = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
    return answer != 0 || info.si_pid == pid_;
  }
  int end() {
    if (reaped_) return status_;
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);  // in case it hadn't made its group yet
    while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
    return status_;
  }
  void feed(Fd& input);
  bool drain(Fd& from, bool is_output);
  Result<void> wait_and_pump(Fd& input, Fd& output, Fd& errors, Clock::time_point deadline);

  pid_t pid_;
  const ChildOptions& options_;
  ChildResult result_;
  std::size_t fed_ = 0;
  std::size_t output_bytes_ = 0;
  std::vector<char> piece_ = std::vector<char>(kPieceBytes);
  int status_ = 0;
  bool reaped_ = false;
};

void Running::feed(Fd& input) {
  while (fed_ < options_.input.size()) {
    const auto rest = options_.input.substr(fed_);
    const ssize_t n = ::write(input.get(), rest.data(), rest.size());
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) break;  // EPIPE: it doesn't want the rest
    fed_ += static_cast<std::size_t>(n);
  }
  input.reset();
}

// Reads one piece of what is there, no more: a child that writes without end must not hide the
// deadline. False: stdout is over its bound.
bool Running::drain(Fd& from, bool is_output) {
  const ssize_t n = ::read(from.get(), piece_.data(), piece_.size());
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (n <= 0) {
    from.reset();
    return true;
  }
  const std::string_view piece(piece_.data(), static_cast<std::size_t>(n));
  if (!is_output) {
    result_.errors += piece;
    if (result_.errors.size() > options_.errors_bytes_max) {
      result_.errors.erase(0, result_.errors.size() - options_.errors_bytes_max);
    }
    return true;
  }
  output_bytes_ += piece.size();
  if (output_bytes_ > options_.output_bytes_max) return false;
  if (options_.on_output) {
    options_.on_output(piece);
  } else {
    result_.output += piece;
  }
  return true;
}

Result<void> Running::wait_and_pump(Fd& input, Fd& output, Fd& errors, Clock::time_point deadline) {
  const std::string& name = options_.argv.front();
  for (;;) {
    if (options_.stop.stop_requested()) {
      return Error{ErrorCode::kCancelled, name + " was stopped"};
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) {
      return Error{ErrorCode::kDeadlineExceeded,
                   name + " didn't end within " + std::to_string(options_.timeout.count()) + " ms"};
    }
    const bool ended = exited();
    std::array<pollfd, 3> wanted{pollfd{input.get(), POLLOUT, 0}, pollfd{output.get(), POLLIN, 0},
                                 pollfd{errors.get(), POLLIN, 0}};
    // With every pipe closed the child is about to end: look again soon.
    const auto slice = output.open() || errors.open() ? kPollSlice : std::chrono::milliseconds(1);
    const auto pause = ended ? std::chrono::milliseconds(0) : std::min(left, slice);
    const int ready = ::poll(wanted.data(), wanted.size(), static_cast<int>(pause.count()));
    if (ready < 0 && errno != EINTR) return os_error("can't wait for " + name, errno);
    // A pipe that a grandchild still holds doesn't delay the end: what is in it was read.
    if (ended && ready <= 0) return {};
    if (wanted[0].revents != 0) feed(input);
    if (ended && wanted[1].revents == 0 && wanted[2].revents == 0) return {};
    if (wanted[2].revents != 0) drain(errors, false);
    if (wanted[1].revents != 0 && !drain(output, true)) {
      return Error{
          ErrorCode::kResourceExhausted,
          name + " wrote more than " + std::to_string(options_.output_bytes_max) + " bytes"};
    }
  }
}

Result<ChildResult> Running::run(Fd input, Fd output, Fd errors) {
  for (const Fd* fd : {&input, &output, &errors}) {
    if (fd->open()) set_nonblocking(*fd);
  }
  WEFT_TRY_VOID(wait_and_pump(input, output, errors, Clock::now() + options_.timeout));
  const int status = end();
  if (WIFSIGNALED(status)) {
    result_.signal = WTERMSIG(status);
  } else {
    result_.exit_code = WEXITSTATUS(status);
  }
  return std::move(result_);
}

Result<Launch> prepare(const ChildOptions& options) {
  if (options.argv.empty()) return Error{ErrorCode::kInvalidArgument, "no program to run"};
  if (std::ranges::any_of(options.argv, has_nul) || has_nul(options.working_directory) ||
      std::ranges::any_of(options.environment_set, has_nul)) {
    return Error{ErrorCode::kInvalidArgument, "an argument of a program holds a NUL byte"};
  }
  WEFT_TRY(program, find_program(options.argv.front()));
  Launch launch;
  launch.program = std::move(program);
  // execve takes char* by history; it doesn't write to them.
  for (const std::string& argument : options.argv) {
    launch.argv.push_back(const_cast<char*>(argument.c_str()));
  }
  launch.argv.push_back(nullptr);
  launch.environment = make_environment(options);
  for (const std::string& entry : launch.environment) {
    launch.envp.push_back(const_cast<char*>(entry.c_str()));
  }
  launch.envp.push_back(nullptr);
  if (!options.working_directory.empty()) {
    launch.working_directory = options.working_directory.c_str();
  }
  launch.memory_bytes_max = options.memory_bytes_max;
  launch.cpu_seconds_max = options.cpu_time_max.count();
  launch.parent = ::getpid();
  return launch;
}

bool is_executable_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

Result<std::string> find_program(std::string_view program) {
  if (program.empty() || has_nul(program)) {
    return Error{ErrorCode::kInvalidArgument, "no program to run"};
  }
  const std::string name(program);
  if (name.find('/') != name.npos) {
    if (is_executable_file(name)) return name;
    return Error{ErrorCode::kNotFound, name + " isn't an executable file"};
  }
  const char* variable = std::getenv("PATH");
  std::string_view folders = variable == nullptr ? "/usr/bin:/bin" : variable;
  while (!folders.empty()) {
    const auto colon = std::min(folders.find(':'), folders.size());
    const std::string path = std::string(folders.substr(0, colon)) + "/" + name;
    folders.remove_prefix(std::min(colon + 1, folders.size()));
    // An entry that isn't absolute would run what lies in the working directory.
    if (path.size() > name.size() + 1 && path.front() == '/' && is_executable_file(path)) {
      return path;
    }
  }
  return Error{ErrorCode::kNotFound, "no program " + name + " in PATH"};
}

Result<ChildResult> run_child(const ChildOptions& options) {
  WEFT_TRY(launch, prepare(options));
  WEFT_TRY(output, make_pipe());
  WEFT_TRY(errors, make_pipe());
  WEFT_TRY(failure, make_pipe());
  Pipe input;
  if (options.input.empty()) {
    input.read = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!input.read.open()) return os_error("can't open /dev/null", errno);
  } else {
    WEFT_TRY(fresh, make_pipe());
    input = std::move(fresh);
  }
  launch.input = input.read.get();
  launch.output = output.write.get();
  launch.errors = errors.write.get();
  launch.failure = failure.write.get();

  const SigpipeBlocked guard;
  const pid_t pid = ::fork();
  if (pid < 0) return os_error("can't start " + options.argv.front(), errno);
  if (pid == 0) child_main(launch);
  ::setpgid(pid, pid);  // as the child does: whoever comes first
  Running running(pid, options);
  input.read.reset();
  output.write.reset();
  errors.write.reset();
  failure.write.reset();
  int number = 0;
  ssize_t got = 0;
  do {
    got = ::read(failure.read.get(), &number, sizeof number);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof number)) {
    return os_error("can't start " + options.argv.front(), number);
  }
  return running.run(std::move(input.write), std::move(output.read), std::move(errors.read));
}

}  // namespace weft
