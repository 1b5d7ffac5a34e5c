// Thousands of damaged copies of a small GGUF file: each is either refused with a reason or opens
// with every tensor readable inside the file, and none makes the reader take memory beyond a small
// multiple of its size. The mutants are the same in every run.

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "inference/gguf.h"
#include "tests/fakes/gguf_writer.h"
#include "tests/fakes/quantize.h"
#include "tests/fuzz/rounds.h"

namespace {
// The largest single request and the sum of all, while `counting`.
std::atomic<bool> counting = false;
std::atomic<std::size_t> largest_request = 0;
std::atomic<std::size_t> requested = 0;

void* allocate_or_null(std::size_t size) noexcept {
  if (counting) {
    requested += size;
    if (size > largest_request) largest_request = size;
  }
  return std::malloc(size == 0 ? 1 : size);
}

void* allocate(std::size_t size) {
  if (void* memory = allocate_or_null(size)) return memory;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t size) { return allocate(size); }
void* operator new[](std::size_t size) { return allocate(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return allocate_or_null(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return allocate_or_null(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace weft::inference {
namespace {

using fakes::Bytes;
using fakes::GgufField;
using fakes::GgufWriter;

GgufWriter::File specimen() {
  GgufWriter writer;
  writer.string("general.architecture", "llama");
  writer.u32("general.alignment", 32);
  writer.u32("llama.block_count", 1);
  writer.f32("llama.rope.freq_base", 10000);
  writer.boolean("tokenizer.ggml.add_bos_token", false);
  writer.scalar("a.u8", 0, std::uint8_t{3});
  writer.scalar("a.i64", 11, std::int64_t{-3});
  writer.scalar("a.f64", 12, 0.25);
  writer.strings("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b", "", "<|im_end|>"});
  writer.f32s("tokenizer.ggml.scores", std::vector<float>{0, -1, -2});
  writer.i32s("tokenizer.ggml.token_type", std::vector<std::int32_t>{1, 1, 1, 3});
  const std::vector<float> values(256, 0.5F);
  const std::pair<const char*, TensorType> tensors[] = {
      {"f32", TensorType::kF32},   {"f16", TensorType::kF16},   {"bf16", TensorType::kBF16},
      {"q4_0", TensorType::kQ4_0}, {"q5_1", TensorType::kQ5_1}, {"q8_0", TensorType::kQ8_0},
      {"q4_K", TensorType::kQ4_K}, {"q6_K", TensorType::kQ6_K}};
  for (const auto& [name, type] : tensors) {
    const std::size_t rows = block_shape(type).values == 256 ? 1 : 2;
    const std::size_t length = block_shape(type).values == 256 ? 256 : 32;
    writer.tensor({std::string(name) + ".weight",
                   {length, rows},
                   static_cast<std::uint32_t>(type),
                   fakes::quantize(type, std::span(values).first(length * rows))});
  }
  return writer.build();
}

// Small and fast, the same everywhere.
class Random {
 public:
  // Multiplied, since neighbouring seeds would give neighbouring first numbers.
  explicit Random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL) {}

  std::size_t below(std::size_t bound) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::size_t>(state_ >> 33) % bound;
  }

 private:
  std::uint64_t state_;
};

// Opens each mutant through one file that is rewritten in place: closing or emptying it every time
// would wait for the disk.
class Trial {
 public:
  Trial()
      : path_(std::filesystem::temp_directory_path() /
              ("weft_mutant_" + std::to_string(::getpid()) + ".gguf")),
        fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {}
  ~Trial() {
    ::close(fd_);
    std::filesystem::remove(path_);
  }

  void operator()(const Bytes& mutant) {
    const auto size = static_cast<ssize_t>(mutant.size());
    REQUIRE(::pwrite(fd_, mutant.data(), mutant.size(), 0) == size);
    REQUIRE(::ftruncate(fd_, size) == 0);
    largest_request = 0;
    requested = 0;
    counting = true;
    auto file = GgufFile::open(path_);
    counting = false;
    // Every byte may cost a few of bookkeeping; messages and the path cost a constant.
    if (largest_request > 16 * mutant.size() + 4096) ++greedy;
    if (requested > 64 * mutant.size() + (64 << 10)) ++greedy;
    if (file) {
      ++accepted;
      use(*file, mutant.size());
    } else {
      ++refused;
      if (file.error().message.empty()) ++unexplained;
      const ErrorCode code = file.error().code;
      if (code != ErrorCode::kCorrupt && code != ErrorCode::kUnsupported) ++misnamed;
    }
  }

  std::size_t accepted = 0;
  std::size_t refused = 0;
  std::size_t greedy = 0;
  std::size_t unexplained = 0;
  std::size_t misnamed = 0;
  std::size_t unreadable = 0;

 private:
  // Everything that a caller may ask of a file that opened.
  void use(const GgufFile& file, std::uint64_t size_bytes) {
    for (const std::string_view key : file.keys()) {
      if (!file.has(key)) ++unreadable;
      (void)file.describe(key);
      (void)file.unsigned_integer(key);
      (void)file.number(key);
      (void)file.boolean(key);
      (void)file.string(key);
      (void)file.strings(key);
      (void)file.floats(key);
      (void)file.integers(key);
    }
    for (const TensorInfo& tensor : file.tensors()) {
      if (tensor.offset > size_bytes || tensor.size_bytes > size_bytes - tensor.offset ||
          file.tensor(tensor.name) != &tensor) {
        ++unreadable;
        continue;
      }
      std::vector<float> values(tensor.rows() * tensor.row_length());
      if (!file.read_rows(tensor, 0, tensor.rows(), values)) ++unreadable;
    }
  }

  std::filesystem::path path_;
  int fd_;
};

void truncate_everywhere(const Bytes& original, Trial& trial) {
  for (std::size_t size = 0; size < original.size(); ++size) {
    trial(Bytes(original.begin(), original.begin() + static_cast<std::ptrdiff_t>(size)));
  }
}

void falsify_fields(const GgufWriter::File& file, Trial& trial) {
  constexpr std::uint64_t kMax = ~std::uint64_t{0};
  constexpr std::uint64_t kTop = std::uint64_t{1} << 63;
  std::vector<std::uint64_t> numbers = {0,         1,        2,        3,          4,
                                        5,         7,        8,        13,         31,
                                        33,        255,      256,      4096,       65535,
                                        65536,     kMax,     kMax - 1, kMax - 7,   kMax - 31,
                                        kMax / 2,  kTop,     kTop + 1, 1ULL << 61, (1ULL << 61) + 1,
                                        kMax / 8,  kMax / 4, kMax / 3, 0x7FFFFFFF, 0x80000000,
                                        0xFFFFFFFF};
  for (const GgufField& field : file.fields) {
    std::uint64_t value = 0;
    std::memcpy(&value, file.bytes.data() + field.offset, field.size);
    std::vector<std::uint64_t> mine = numbers;
    for (const std::uint64_t near : {value - 1, value + 1, value * 2, value + 8, value - 8}) {
      mine.push_back(near);
    }
    for (const std::uint64_t number : mine) {
      Bytes mutant = file.bytes;
      std::memcpy(mutant.data() + field.offset, &number, field.size);
      trial(mutant);
    }
  }
}

// Bytes changed; or a piece of the file put over another place, put in between, or taken out.
void flip_or_splice(Bytes mutant, std::size_t header_bytes, std::uint64_t seed, Trial& trial) {
  Random random(seed);
  const std::size_t kind = seed % 6;
  if (kind < 3) {
    for (std::size_t flips = 1 + random.below(4); flips > 0; --flips) {
      mutant[random.below(header_bytes)] = static_cast<std::byte>(random.below(256));
    }
  } else {
    const auto from = static_cast<std::ptrdiff_t>(random.below(header_bytes));
    const auto length = static_cast<std::ptrdiff_t>(1 + random.below(64));
    const auto to = static_cast<std::ptrdiff_t>(random.below(header_bytes));
    const Bytes piece(mutant.begin() + from, mutant.begin() + from + length);
    if (kind == 3) std::copy(piece.begin(), piece.end(), mutant.begin() + to);
    if (kind == 4) mutant.insert(mutant.begin() + to, piece.begin(), piece.end());
    if (kind == 5) mutant.erase(mutant.begin() + from, mutant.begin() + from + length);
  }
  trial(mutant);
}

TEST_CASE("damaged GGUF files are refused with a reason or stay within their bytes") {
  const GgufWriter::File file = specimen();
  REQUIRE(file.bytes.size() <= 4096);
  const std::size_t header_bytes = file.fields.back().offset + file.fields.back().size;

  Trial trial;
  trial(file.bytes);
  REQUIRE(trial.accepted == 1);
  truncate_everywhere(file.bytes, trial);
  falsify_fields(file, trial);
  test::Rounds rounds("GGUF, bytes changed and pieces moved", {.inputs_min = 6000});
  while (rounds.next()) flip_or_splice(file.bytes, header_bytes, rounds.seed(), trial);

  std::cout << "fuzz: GGUF: " << trial.accepted + trial.refused << " mutants of "
            << file.bytes.size() << " bytes: " << trial.refused << " refused, " << trial.accepted
            << " accepted\n";
  CHECK(trial.accepted + trial.refused >= 10'000);
  CHECK(trial.accepted > 100);  // damage to a value or a name is none to the structure
  CHECK(trial.refused > 5'000);
  CHECK(trial.greedy == 0);
  CHECK(trial.unexplained == 0);
  CHECK(trial.misnamed == 0);
  CHECK(trial.unreadable == 0);
}

}  // namespace
}  // namespace weft::inference
