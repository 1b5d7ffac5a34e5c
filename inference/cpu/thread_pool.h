#pragma once
// A team of threads that run one function together, many times a second: a decode step has a
// hundred small barriers. Workers spin briefly, then sleep; the caller is thread 0. While the
// machine is so busy elsewhere that a team is slower than one thread, the caller runs alone
// (team_sizer.h).

#include <cstddef>
#include <functional>
#include <memory>

namespace weft::inference::cpu {

/// What a running thread sees of its team.
class Team {
 public:
  virtual ~Team() = default;
  virtual std::size_t size() const noexcept = 0;
  /// Waits until every thread of the team has come here; writes before are seen by all after.
  virtual void barrier() noexcept = 0;
  /// Calls body(part) for the parts 0..parts-1 of a loop, each on the thread that comes for it
  /// first: a slow thread gets fewer. All threads call it for the same loops in the same order, at
  /// most kLoopsMax between two barriers; it waits for nobody.
  template <typename Body>
  void share_out(std::size_t parts, const Body& body) {
    for (std::size_t part = next(parts); part < parts; part = next(parts)) body(part);
  }
  static constexpr std::size_t kLoopsMax = 4;

 protected:
  /// The next part of the loop that nobody has taken, or `parts` when none is left, which ends the
  /// loop.
  virtual std::size_t next(std::size_t parts) noexcept = 0;
};

struct ThreadPoolOptions {
  bool yield_to_load = true;  // false: every run has all threads, however slow that is
};

/// One pool serves all models of a process. run() calls are serialised.
class ThreadPool {
 public:
  /// `threads` >= 1 counts the caller; 0 means one a physical core.
  explicit ThreadPool(std::size_t threads, const ThreadPoolOptions& options = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t size() const noexcept;  // the most threads that a team has

  /// Calls body(thread, team) on every thread of a team, thread = 0..team.size()-1, and waits for
  /// all. The team has size() threads or, on a busy machine, one. `body` doesn't throw.
  void run(const std::function<void(std::size_t thread, Team& team)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft::inference::cpu
