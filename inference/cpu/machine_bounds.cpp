#include "inference/cpu/machine_bounds.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <span>
#include <vector>

#include "inference/cpu/matrix.h"
#include "inference/cpu/multiply_peak.h"
#include "inference/cpu/thread_pool.h"

namespace weft::inference::cpu {
namespace {

constexpr int kRepeatsMin = 5;  // of which the best counts
constexpr int kRepeatsMax = 1000;
constexpr double kSecondsEach = 0.15;  // of all repeats, if the least number takes less
constexpr std::size_t kReadBytes = std::size_t{256} << 20;  // more than caches hold
constexpr std::size_t kLanes = 16;                          // dwords in two cache lines

/// Reads all of `memory` once, asking for it `ahead` bytes before (0: not at all).
double seconds_to_read(std::size_t threads, std::span<const std::uint64_t> memory,
                       std::size_t ahead) {
  ThreadPool pool(threads);
  std::vector<std::uint64_t> sums(kLanes * pool.size());
  return best_seconds(threads, [&] {
    pool.run([&](std::size_t thread, Team& team) {
      // In whole pairs of cache lines, which is what a step of the loop reads.
      const std::size_t steps = memory.size() / kLanes;
      const std::size_t begin = steps * thread / team.size() * kLanes;
      const std::size_t end = steps * (thread + 1) / team.size() * kLanes;
      std::uint64_t lanes[kLanes] = {};
      for (std::size_t i = begin; i < end; i += kLanes) {
        if (ahead != 0) {
          __builtin_prefetch(&memory[i] + ahead / 8);
          __builtin_prefetch(&memory[i] + ahead / 8 + 8);
        }
        for (std::size_t j = 0; j < kLanes; ++j) lanes[j] += memory[i + j];
      }
      for (std::size_t j = 0; j < kLanes; ++j) sums[kLanes * thread + j] += lanes[j];
    });
  });
}

}  // namespace

double best_seconds(std::size_t threads, const std::function<void()>& work) {
  const clockid_t clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  const auto now = [&] {
    timespec time{};
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  double best = 1e9;
  double total = 0;
  for (int repeat = 0; repeat < kRepeatsMax && (repeat < kRepeatsMin || total < kSecondsEach);
       ++repeat) {
    const double start = now();
    work();
    const double taken = now() - start;
    best = std::min(best, taken);
    total += taken;
  }
  return best;
}

Result<double> read_bytes_per_s(std::size_t threads, std::stop_token stop) {
  WeightArena arena;
  const auto bytes = arena.allocate(kReadBytes);
  if (bytes == nullptr) {
    return Error{ErrorCode::kResourceExhausted,
                 "no memory for measuring how fast it is read: 256 MiB are needed"};
  }
  std::memset(bytes.get(), 1, kReadBytes);  // or every page would be the same page of zeros
  const std::span memory(reinterpret_cast<const std::uint64_t*>(bytes.get()), kReadBytes / 8);
  // Whichever way suits the machine best is its bound.
  double best = 1e9;
  for (const std::size_t ahead : {0U, 512U, 1024U, 2048U}) {
    if (stop.stop_requested()) {
      return Error{ErrorCode::kCancelled, "measuring the memory's speed was cancelled"};
    }
    best = std::min(best, seconds_to_read(threads, memory, ahead));
  }
  return static_cast<double>(kReadBytes) / best;
}

std::optional<double> macs_per_s(Level level, std::size_t threads, WeightBits bits) {
#if defined(__x86_64__)
  std::function<void()> sequence;
  double rows = 0;
  if (level == Level::kAvx512Vnni) {
    rows = 16;
    sequence = multiply_sequence_avx512vnni;
  } else if (level == Level::kAvx2) {
    rows = 8;
    sequence = [bits] { multiply_sequence_avx2(bits); };
  }
  if (sequence) {
    ThreadPool pool(threads, {.yield_to_load = false});
    const double seconds =
        best_seconds(threads, [&] { pool.run([&](std::size_t, Team&) { sequence(); }); });
    constexpr double kColumns = 32.0 * kSequenceBlocks;
    return static_cast<double>(pool.size()) * rows * kColumns / seconds;
  }
#else
  static_cast<void>(level), static_cast<void>(threads), static_cast<void>(bits);
#endif
  return std::nullopt;
}

}  // namespace weft::inference::cpu
