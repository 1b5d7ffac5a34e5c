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
constexpr std::size_t kLineWords = 8;                       // of a cache line

/// A way to read memory once: a line of each of kStreams equal parts in turn, asked for `ahead`
/// bytes before (0: not at all).
template <std::size_t kStreams>
double seconds_to_read(std::size_t threads, std::span<const std::uint64_t> memory,
                       std::size_t ahead) {
  ThreadPool pool(threads);
  std::vector<std::uint64_t> sums(kLineWords * pool.size());
  const std::size_t lines = memory.size() / kLineWords / pool.size() / kStreams;  // of a stream
  return best_seconds(threads, [&] {
    pool.run([&](std::size_t thread, Team&) {
      const std::uint64_t* at = memory.data() + thread * kStreams * lines * kLineWords;
      std::uint64_t lanes[kLineWords] = {};
      for (std::size_t i = 0; i < lines; ++i, at += kLineWords) {
        for (std::size_t s = 0; s < kStreams; ++s) {
          const std::uint64_t* line = at + s * lines * kLineWords;
          if (ahead != 0) __builtin_prefetch(line + ahead / sizeof *line);
          for (std::size_t j = 0; j < kLineWords; ++j) lanes[j] += line[j];
        }
      }
      for (std::size_t j = 0; j < kLineWords; ++j) sums[kLineWords * thread + j] += lanes[j];
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
    best = std::min({best, seconds_to_read<1>(threads, memory, ahead),
                     seconds_to_read<4>(threads, memory, ahead)});
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
