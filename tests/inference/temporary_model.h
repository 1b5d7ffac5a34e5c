#pragma once
// A tiny model as a file that lives as long as this, and helpers to load it or to spoil it first.

#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

#include "inference/cpu/backend.h"
#include "inference/model.h"
#include "tests/fakes/gguf_writer.h"
#include "tests/fakes/tiny_model.h"

namespace weft::inference {

/// The CPU with `threads` threads, for tests.
inline std::shared_ptr<const Backend> cpu_backend(std::size_t threads = 2,
                                                  cpu::Level level = cpu::best_level(),
                                                  const cpu::ThreadPoolOptions& options = {}) {
  return cpu::make_backend(level, std::make_shared<cpu::ThreadPool>(threads, options));
}

class TemporaryModel {
 public:
  explicit TemporaryModel(const fakes::TinyModelOptions& options)
      : TemporaryModel(fakes::tiny_model(options).build().bytes) {}
  explicit TemporaryModel(const fakes::Bytes& bytes)
      : path_(std::filesystem::temp_directory_path() /
              ("weft-model-" + std::to_string(std::random_device{}()) + ".gguf")) {
    fakes::write_file(path_, bytes);
  }
  ~TemporaryModel() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryModel(const TemporaryModel&) = delete;
  TemporaryModel& operator=(const TemporaryModel&) = delete;

  const std::filesystem::path& path() const { return path_; }

  Result<std::shared_ptr<const Model>> try_load(const Backend& backend = *cpu_backend()) const {
    return Model::load(path_, backend);
  }
  std::shared_ptr<const Model> load(const Backend& backend = *cpu_backend()) const {
    auto model = try_load(backend);
    if (!model) throw std::runtime_error(model.error().message);
    return *model;
  }

 private:
  std::filesystem::path path_;
};

inline std::shared_ptr<const Model> tiny(const fakes::TinyModelOptions& options = {},
                                         const Backend& backend = *cpu_backend()) {
  return TemporaryModel(options).load(backend);
}

/// Where the bytes after `text` begin.
inline std::size_t after(const fakes::Bytes& bytes, std::string_view text) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t found = all.find(text);
  if (found == std::string_view::npos) throw std::runtime_error("no " + std::string(text));
  return found + text.size();
}

/// Overwrites the value of a metadata key; its type stays.
template <typename T>
void set_value(fakes::Bytes& bytes, std::string_view key, T value) {
  constexpr std::size_t kTypeIdBytes = 4;
  std::memcpy(bytes.data() + after(bytes, key) + kTypeIdBytes, &value, sizeof value);
}

}  // namespace weft::inference
