#include "inference/cpu/thread_pool.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "inference/cpu/team_sizer.h"

namespace weft::inference::cpu {
namespace {

using Clock = std::chrono::steady_clock;

// A waiting thread first spins: a partner that runs comes soon, seldom after more than a third of
// what a small model's layer takes for a batch, and waking costs as much. Then it sleeps: on a busy
// machine the partner may need this very core. From one run to the next it takes longer: a token is
// chosen from 150,000 logits meanwhile.
constexpr auto kSpinTime = std::chrono::microseconds(60);
constexpr auto kSpinTimeBetweenRuns = std::chrono::microseconds(100);
constexpr int kPausesPerLook = 16;  // at the clock
// A team is tried with what a layer of a small model takes between two barriers, for longer than
// the time slice of a thread that has slept.
constexpr auto kTrialPiece = std::chrono::microseconds(20);
constexpr auto kTrialTime = std::chrono::milliseconds(10);

void pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

Clock::duration thread_cpu_time() noexcept {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// A number that threads wait on to change.
class alignas(128) Signal {
 public:
  std::uint32_t get() const noexcept { return value_.load(std::memory_order_acquire); }

  void advance() noexcept {
    value_.fetch_add(1, std::memory_order_seq_cst);
    // Either the waiter sees the new value before it sleeps, or we see that it is about to.
    if (sleepers_.load(std::memory_order_seq_cst) != 0) value_.notify_all();
  }

  void wait_while(std::uint32_t seen, Clock::duration spin_time) noexcept {
    if (spin_while(seen, spin_time)) return;
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    while (value_.load(std::memory_order_seq_cst) == seen) value_.wait(seen);
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  bool spin_while(std::uint32_t seen, Clock::duration time) const noexcept {
    const auto end = Clock::now() + time;
    do {
      for (int i = 0; i < kPausesPerLook; ++i) {
        if (get() != seen) return true;
        pause();
      }
    } while (Clock::now() < end);
    return false;
  }

  std::atomic<std::uint32_t> value_{0};
  std::atomic<std::uint32_t> sleepers_{0};
};

// Distinct (package, core) pairs of Linux's topology files; hyperthreads share one.
std::size_t physical_cores() {
  std::set<std::pair<int, int>> cores;
  const unsigned logical = std::max(1U, std::thread::hardware_concurrency());
  for (unsigned cpu = 0; cpu < logical; ++cpu) {
    const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    std::ifstream package(folder + "physical_package_id");
    std::ifstream core(folder + "core_id");
    int package_id = 0;
    int core_id = 0;
    if (package >> package_id && core >> core_id) cores.emplace(package_id, core_id);
  }
  return cores.empty() ? logical : cores.size();
}

// Loops that threads share out, and where they wait for each other.
class Barrier {
 public:
  explicit Barrier(std::size_t threads) : threads_(threads) {}

  /// The next part of a loop; they count from the last barrier.
  std::size_t next(std::size_t loop) noexcept {
    return loops_[loop].taken.fetch_add(1, std::memory_order_relaxed);
  }

  std::size_t threads() const noexcept { return threads_; }

  /// After `loops` loops, which all threads have ended. Returns how long the thread waited without
  /// leaving its CPU of its own will: it spun, at most.
  Clock::duration arrive(std::size_t loops) noexcept {
    if (threads_ == 1) {
      begin_loops(loops);
      return {};
    }
    const std::uint32_t round = round_.get();
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == threads_) {
      begin_loops(loops);
      arrived_.store(0, std::memory_order_relaxed);
      round_.advance();
      return {};
    }
    const auto start = Clock::now();
    round_.wait_while(round, kSpinTime);
    return std::min<Clock::duration>(Clock::now() - start, kSpinTime);
  }

 private:
  struct alignas(128) Loop {
    std::atomic<std::size_t> taken{0};
  };

  void begin_loops(std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) loops_[i].taken.store(0, std::memory_order_relaxed);
  }

  const std::size_t threads_;
  Loop loops_[Team::kLoopsMax];
  alignas(128) std::atomic<std::size_t> arrived_{0};
  Signal round_;
};

// One thread's view of its team.
class Member final : public Team {
 public:
  explicit Member(Barrier& barrier) : barrier_(barrier) {}

  std::size_t size() const noexcept override { return barrier_.threads(); }
  void barrier() noexcept override {
    spun_ += barrier_.arrive(loops_);
    loops_ = 0;
  }
  std::size_t next(std::size_t parts) noexcept override {
    assert(loops_ < kLoopsMax);
    const std::size_t part = barrier_.next(loops_);
    if (part < parts) return part;
    ++loops_;
    return parts;
  }

  Clock::duration spun() const noexcept { return spun_; }

 private:
  Barrier& barrier_;
  std::size_t loops_ = 0;  // since the last barrier
  Clock::duration spun_{0};
};

}  // namespace

struct ThreadPool::State {
  State(std::size_t threads, const ThreadPoolOptions& chosen)
      : options(chosen), barrier(threads), sizer(threads) {}

  ~State() {  // also if a worker couldn't be started: the others have to end
    stop.store(true, std::memory_order_release);
    start.advance();
    workers.clear();  // joins
  }

  const ThreadPoolOptions options;
  Barrier barrier;
  Barrier alone{1};
  TeamSizer sizer;
  Signal start;
  std::atomic<bool> stop{false};
  const std::function<void(std::size_t, Team&)>* body = nullptr;  // published by start
  std::mutex one_run;
  std::vector<std::jthread> workers;

  bool alone_now() const { return sizer.next(Clock::now().time_since_epoch()) == 1; }

  static void run_alone(const std::function<void(std::size_t, Team&)>& job, Member& own) {
    job(0, own);
    own.barrier();  // ends its loops
  }

  /// Calls job(thread, team) on every thread of the pool, as `own` on the caller's.
  void run_all(const std::function<void(std::size_t, Team&)>& job, Member& own) {
    body = &job;
    start.advance();
    job(0, own);
    own.barrier();  // nobody still uses `job`
  }

  /// Runs pieces of a typical layer's length on every thread until the sizer can judge the team.
  void try_team() {
    const auto begin = Clock::now();
    const auto cpu_begin = thread_cpu_time();
    bool done = false;  // written by thread 0 between two barriers
    Member own(barrier);
    run_all(
        [&](std::size_t thread, Team& team) {
          while (!done) {
            const auto piece_end = thread_cpu_time() + kTrialPiece;
            while (thread_cpu_time() < piece_end) pause();
            team.barrier();
            if (thread == 0) done = Clock::now() - begin >= kTrialTime;
            team.barrier();
          }
        },
        own);
    const auto end = Clock::now();
    sizer.ran(end.time_since_epoch(), barrier.threads(), end - begin,
              thread_cpu_time() - cpu_begin - own.spun());
  }

  void work(std::size_t thread) noexcept {
    for (std::uint32_t seen = 0;; ++seen) {
      start.wait_while(seen, kSpinTimeBetweenRuns);
      if (stop.load(std::memory_order_acquire)) return;
      Member member(barrier);
      (*body)(thread, member);
      member.barrier();
    }
  }
};

ThreadPool::ThreadPool(std::size_t threads, const ThreadPoolOptions& options) {
  const std::size_t size = threads == 0 ? physical_cores() : threads;
  state_ = std::make_unique<State>(size, options);
  state_->workers.reserve(size - 1);
  for (std::size_t i = 1; i < size; ++i) {
    state_->workers.emplace_back([state = state_.get(), i] { state->work(i); });
  }
}

ThreadPool::~ThreadPool() = default;

std::size_t ThreadPool::size() const noexcept { return state_->barrier.threads(); }

void ThreadPool::run(const std::function<void(std::size_t thread, Team& team)>& body) {
  const std::lock_guard lock(state_->one_run);
  if (size() == 1) {
    Member member(state_->alone);
    return state_->run_alone(body, member);
  }
  if (state_->options.yield_to_load && state_->sizer.on_trial() && !state_->alone_now()) {
    state_->try_team();
  }
  const bool alone = state_->options.yield_to_load && state_->alone_now();
  const auto begin = Clock::now();
  const auto cpu_begin = thread_cpu_time();
  Member member(alone ? state_->alone : state_->barrier);
  if (alone) {
    state_->run_alone(body, member);
  } else {
    state_->run_all(body, member);
  }
  const auto end = Clock::now();
  state_->sizer.ran(end.time_since_epoch(), member.size(), end - begin,
                    thread_cpu_time() - cpu_begin - member.spun());
}

}  // namespace weft::inference::cpu
