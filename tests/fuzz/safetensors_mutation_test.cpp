// Thousands of damaged copies of a small safetensors file: each is either refused with a reason or
// opens with every tensor readable inside the file. The mutants are the same in every run.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "inference/safetensors.h"
#include "tests/fakes/safetensors_writer.h"

namespace weft::inference {
namespace {

using fakes::Bytes;

constexpr std::size_t kLengthBytes = 8;

Bytes specimen() {
  fakes::SafetensorsWriter writer;
  const std::vector<float> values(24, 0.5F);
  writer.floats("embeddings.weight", {4, 6}, values);
  writer.floats("bias", {6}, std::span(values).first(6));
  const std::vector<std::uint16_t> halves(8, 0x3C00);
  writer.tensor("half", "F16", {2, 2, 2}, std::as_bytes(std::span(halves)));
  writer.tensor("brain", "BF16", {8, 1}, std::as_bytes(std::span(halves)));
  const std::vector<std::int64_t> ids = {0, 1, 2};
  writer.tensor("position_ids", "I64", {1, 3}, std::as_bytes(std::span(ids)));
  writer.floats("scalar", {}, std::span(values).first(1));
  return writer.build();
}

// Small and fast, the same everywhere.
class Random {
 public:
  std::size_t below(std::size_t bound) {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::size_t>(state_ >> 33) % bound;
  }

 private:
  std::uint64_t state_ = 1;
};

// Opens each mutant through one file that is rewritten in place: closing or emptying it every time
// would wait for the disk.
class Trial {
 public:
  Trial()
      : path_(std::filesystem::temp_directory_path() /
              ("weft_mutant_" + std::to_string(::getpid()) + ".safetensors")),
        fd_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) {}
  ~Trial() {
    ::close(fd_);
    std::filesystem::remove(path_);
  }

  void operator()(const Bytes& mutant) {
    const auto size = static_cast<ssize_t>(mutant.size());
    REQUIRE(::pwrite(fd_, mutant.data(), mutant.size(), 0) == size);
    REQUIRE(::ftruncate(fd_, size) == 0);
    const auto file = SafetensorsFile::open(path_);
    if (file) {
      ++accepted;
      use(*file, mutant.size());
      return;
    }
    ++refused;
    if (file.error().message.empty()) ++unexplained;
    const ErrorCode code = file.error().code;
    if (code != ErrorCode::kCorrupt && code != ErrorCode::kUnsupported) ++misnamed;
  }

  std::size_t accepted = 0;
  std::size_t refused = 0;
  std::size_t unexplained = 0;
  std::size_t misnamed = 0;
  std::size_t unreadable = 0;

 private:
  void use(const SafetensorsFile& file, std::uint64_t size_bytes) {
    std::uint64_t data_bytes = 0;
    for (const SafetensorsTensor& tensor : file.tensors()) {
      data_bytes += tensor.size_bytes;
      if (tensor.offset > size_bytes || tensor.size_bytes > size_bytes - tensor.offset ||
          file.tensor(tensor.name) != &tensor) {
        ++unreadable;
      } else if (tensor.type) {
        std::vector<float> values(tensor.rows() * tensor.row_length());
        if (!file.read_rows(tensor, 0, tensor.rows(), values)) ++unreadable;
      }
    }
    if (data_bytes > size_bytes) ++unreadable;
  }

  std::filesystem::path path_;
  int fd_;
};

void truncate_everywhere(const Bytes& original, Trial& trial) {
  for (std::size_t size = 0; size < original.size(); ++size) {
    trial(Bytes(original.begin(), original.begin() + static_cast<std::ptrdiff_t>(size)));
  }
}

/// `text` in place of bytes [begin, end) of the header, whose length is kept right.
Bytes spliced(const Bytes& original, std::size_t begin, std::size_t end, const std::string& text) {
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  Bytes mutant(original.begin(), original.begin() + static_cast<std::ptrdiff_t>(begin));
  mutant.insert(mutant.end(), bytes, bytes + text.size());
  mutant.insert(mutant.end(), original.begin() + static_cast<std::ptrdiff_t>(end), original.end());
  std::uint64_t length = 0;
  std::memcpy(&length, original.data(), sizeof length);
  length += text.size() - (end - begin);
  std::memcpy(mutant.data(), &length, sizeof length);
  return mutant;
}

bool is_digit(std::byte byte) { return byte >= std::byte{'0'} && byte <= std::byte{'9'}; }

/// Every number of the header replaced by numbers that tempt a reader to overflow.
void falsify_numbers(const Bytes& original, std::size_t header_end, Trial& trial) {
  const std::vector<std::string> numbers = {"0",
                                            "1",
                                            "2",
                                            "3",
                                            "7",
                                            "8",
                                            "23",
                                            "25",
                                            "95",
                                            "97",
                                            "4294967295",
                                            "4294967296",
                                            "2305843009213693952",
                                            "4611686018427387904",
                                            "9223372036854775807",
                                            "9223372036854775808",
                                            "18446744073709551608",
                                            "18446744073709551615",
                                            "18446744073709551616",
                                            "-1",
                                            "1.5",
                                            "1e3",
                                            "1e999",
                                            "null",
                                            "[]",
                                            "{}",
                                            "\"1\"",
                                            "",
                                            "0,0",
                                            "1,2,3,4,5,6,7,8,9"};
  for (std::size_t begin = kLengthBytes; begin < header_end; ++begin) {
    if (!is_digit(original[begin]) || is_digit(original[begin - 1])) continue;
    std::size_t end = begin;
    while (end < header_end && is_digit(original[end])) ++end;
    for (const std::string& number : numbers) trial(spliced(original, begin, end, number));
  }
  for (const std::uint64_t length :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{header_end}, std::uint64_t{1} << 32,
        std::uint64_t{100'000'001}, ~std::uint64_t{0}, ~std::uint64_t{0} - 7,
        std::uint64_t{1} << 63}) {
    Bytes mutant = original;
    std::memcpy(mutant.data(), &length, sizeof length);
    trial(mutant);
  }
}

void flip_and_splice(const Bytes& original, std::size_t header_end, Trial& trial) {
  Random random;
  for (int round = 0; round < 4000; ++round) {
    Bytes mutant = original;
    for (std::size_t flips = 1 + random.below(4); flips > 0; --flips) {
      mutant[random.below(header_end)] = static_cast<std::byte>(random.below(256));
    }
    trial(mutant);
  }
  // A piece of the header put over another place, put in between, or taken out.
  const std::string_view all(reinterpret_cast<const char*>(original.data()), header_end);
  for (int round = 0; round < 6000; ++round) {
    const std::size_t from = kLengthBytes + random.below(header_end - kLengthBytes);
    const std::size_t length = std::min(1 + random.below(64), header_end - from);
    const std::size_t to = kLengthBytes + random.below(header_end - kLengthBytes);
    const std::string piece(all.substr(from, length));
    if (round % 3 == 0) {
      trial(spliced(original, to, std::min(to + length, header_end), piece));
    } else if (round % 3 == 1) {
      trial(spliced(original, to, to, piece));
    } else {
      trial(spliced(original, from, from + length, ""));
    }
  }
}

TEST_CASE("damaged safetensors files are refused with a reason or stay within their bytes") {
  const Bytes original = specimen();
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, original.data(), sizeof header_bytes);
  const std::size_t header_end = kLengthBytes + header_bytes;

  Trial trial;
  trial(original);
  REQUIRE(trial.accepted == 1);
  truncate_everywhere(original, trial);
  REQUIRE(trial.accepted == 1);  // a shorter file is never whole
  falsify_numbers(original, header_end, trial);
  flip_and_splice(original, header_end, trial);

  std::cout << trial.accepted + trial.refused << " mutants of " << original.size()
            << " bytes: " << trial.refused << " refused, " << trial.accepted << " accepted\n";
  CHECK(trial.accepted + trial.refused >= 10'000);
  CHECK(trial.accepted > 100);  // damage to a name is none to the structure
  CHECK(trial.refused > 5'000);
  CHECK(trial.unexplained == 0);
  CHECK(trial.misnamed == 0);
  CHECK(trial.unreadable == 0);
}

}  // namespace
}  // namespace weft::inference
