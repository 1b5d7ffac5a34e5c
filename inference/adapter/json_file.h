#pragma once
// A small JSON file of an adapter with typed access. Private to inference.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace weft::inference {

/// Absent keys and nulls are alike. Errors of the getters: kCorrupt names the key of another type.
class JsonFile {
 public:
  /// Nothing if there is no such file. Errors: kIo, kCorrupt if it isn't an object,
  /// kResourceExhausted for more than a MiB.
  static Result<std::optional<JsonFile>> read_if_there(const std::filesystem::path& path);

  std::vector<std::string> keys() const;
  Result<std::string> string(std::string_view key, std::string_view fallback) const;
  Result<bool> boolean(std::string_view key, bool fallback) const;
  Result<std::optional<double>> number(std::string_view key) const;
  /// Of a list, or of a single string; none if absent.
  Result<std::vector<std::string>> strings(std::string_view key) const;
  /// An object's names and numbers, in file order; none if absent.
  Result<std::vector<std::pair<std::string, double>>> numbers(std::string_view key) const;
  /// The value as JSON, what is nested in it as ".."; "null" if absent.
  std::string text(std::string_view key) const;
  Error wrong(std::string_view key, const std::string& what) const;

 private:
  const nlohmann::ordered_json* find(std::string_view key) const;

  std::string name_;
  std::shared_ptr<const nlohmann::ordered_json> json_;
};

}  // namespace weft::inference
