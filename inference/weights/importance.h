#pragma once
// How much each column of each weight matters: the mean square of the activations that met it, as
// llama.cpp's imatrix tool collects it on a text. Source of the format: that tool's README, 2025
// (GGUF with NAME.in_sum2 and NAME.counts).

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::inference {

/// A value: columns' weights by the tensor's name.
class ImportanceMatrix {
 public:
  /// Errors: those of GgufFile::open; kUnsupported for the older format without "GGUF" at its
  /// beginning, and weights of several experts; kCorrupt for a sum without its count, a value that
  /// is negative or not finite (named).
  static Result<ImportanceMatrix> open(const std::filesystem::path& path);

  /// Of the tensor's columns; empty if nothing is known of it.
  std::span<const float> of(std::string_view tensor) const noexcept;
  std::size_t size() const noexcept { return columns_.size(); }

 private:
  std::map<std::string, std::vector<float>, std::less<>> columns_;
};

}  // namespace weft::inference
