#pragma once
// How long a fuzz test goes on: for a fixed number of inputs, and until WEFT_FUZZ_SECONDS (default
// 0) have gone by. Input i depends on seed() alone, which is WEFT_FUZZ_SEED (default 1) plus i: a
// failure names its seed, and happens at once with WEFT_FUZZ_SEED set to that.

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

namespace weft::test {

class Rounds {
 public:
  struct Options {
    std::uint64_t inputs_min;
    bool timed = true;  // false: that many inputs, however long it is to go on
  };

  /// `name` stands in the line that is printed at the end.
  Rounds(std::string name, Options options)
      : name_(std::move(name)),
        inputs_min_(options.inputs_min),
        first_seed_(variable("WEFT_FUZZ_SEED", 1)),
        seconds_(options.timed ? variable("WEFT_FUZZ_SECONDS", 0) : 0) {}
  Rounds(const Rounds&) = delete;
  Rounds& operator=(const Rounds&) = delete;

  /// Prints what tests/run shows: how many inputs, how long, which seeds.
  ~Rounds() {
    std::cout << "fuzz: " << name_ << ": " << started_ << " inputs in " << elapsed().count()
              << " s, seeds from " << first_seed_ << "\n";
  }

  /// Goes on to the next input; false when it is enough.
  bool next() {
    if (started_ >= inputs_min_ && elapsed() >= seconds_) return false;
    ++started_;
    return true;
  }

  /// Of the input that next() went on to.
  std::uint64_t seed() const { return first_seed_ + started_ - 1; }
  std::uint64_t inputs() const { return started_; }

 private:
  static std::uint64_t variable(const char* name, std::uint64_t fallback) {
    const char* text = std::getenv(name);
    if (text == nullptr || *text == '\0') return fallback;
    char* end = nullptr;
    const std::uint64_t value = std::strtoull(text, &end, 10);
    INFO(name << "=" << text);
    REQUIRE(*end == '\0');
    return value;
  }

  std::chrono::duration<double> elapsed() const {
    return std::chrono::steady_clock::now() - start_;
  }

  std::string name_;
  std::uint64_t inputs_min_;
  std::uint64_t first_seed_;
  std::chrono::duration<double> seconds_;
  std::uint64_t started_ = 0;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace weft::test
