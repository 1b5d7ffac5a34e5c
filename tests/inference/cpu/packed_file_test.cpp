#include "inference/cpu/packed_file.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "inference/cpu/matrix_layout.h"
#include "inference/cpu/matrix_pack.h"
#include "inference/session.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference::cpu {
namespace {

namespace fs = std::filesystem;

/// A tiny model whose packed weights go with it.
struct Kept {
  Kept() = default;
  ~Kept() { fs::remove(path()); }
  fs::path path() const { return packed_path(file.path(), best_level()); }
  void pack() const { REQUIRE(file.load()->weights().keep({}).value() == path()); }
  std::vector<float> logits() const {
    auto session = Session::open(file.load()).value();
    REQUIRE(session.append(std::vector<TokenId>{5, 100, 7, 42, 9}));
    return {session.logits().begin(), session.logits().end()};
  }

  TemporaryModel file{fakes::TinyModelOptions{}};
};

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void write(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TEST_CASE("packed weights from a file give the same bits, and are what is computed with") {
  const Kept kept;
  const auto expected = kept.logits();
  kept.pack();
  CHECK(kept.logits() == expected);

  // Other weights in it, other results: it isn't just the model packed again.
  std::string bytes = read(kept.path());
  for (std::size_t i = bytes.size() / 2; i < bytes.size(); i += 64) bytes[i] ^= 1;
  write(kept.path(), bytes);
  CHECK(kept.logits() != expected);
}

TEST_CASE("packed weights of another file, level or length aren't used") {
  const Kept kept;
  const auto expected = kept.logits();
  kept.pack();
  const std::string bytes = read(kept.path());
  const std::size_t header = bytes.find('\0');
  REQUIRE(header < 4096);
  std::string spoiled = bytes;
  for (std::size_t i = bytes.size() / 2; i < bytes.size(); i += 64) spoiled[i] ^= 1;

  SECTION("any character of the header") {
    for (std::size_t i = 0; i + 1 < header; ++i) {
      std::string other = spoiled;
      other[i] = other[i] == '7' ? '9' : '7';
      if (other[i] == spoiled[i] || spoiled[i] == '8') continue;
      write(kept.path(), other);
      CHECK(kept.logits() == expected);
    }
  }
  SECTION("cut short or too long") {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, header, bytes.size() / 2,
                                   bytes.size() - 1, bytes.size() + 1}) {
      std::string other = spoiled;
      other.resize(size);
      write(kept.path(), other);
      CHECK(kept.logits() == expected);
    }
  }
  SECTION("the model has changed since") {
    write(kept.path(), spoiled);
    fs::last_write_time(kept.file.path(),
                        fs::last_write_time(kept.file.path()) + std::chrono::seconds(1));
    CHECK(kept.logits() == expected);
  }
  SECTION("a folder of that name") {
    fs::remove(kept.path());
    fs::create_directory(kept.path());
    CHECK(kept.logits() == expected);
  }
}

TEST_CASE("weights that are kept replace those before, and nothing is left of a cancelled try") {
  const Kept kept;
  kept.pack();
  const std::string bytes = read(kept.path());
  write(kept.path(), "something else");
  std::stop_source stop;
  stop.request_stop();
  const auto model = kept.file.load();
  CHECK(model->weights().keep({.stop = stop.get_token()}).error().code == ErrorCode::kCancelled);
  CHECK(read(kept.path()) == "something else");
  CHECK(kept_weights(kept.file.path()).value() == std::vector{kept.path()});
  kept.pack();
  CHECK(read(kept.path()) == bytes);
}

TEST_CASE("kept weights are found beside their model and no other") {
  const fs::path folder =
      fs::temp_directory_path() / ("weft-kept-" + std::to_string(std::random_device{}()));
  fs::create_directory(folder);
  for (const char* name : {"a.gguf", "a.avx2.packed", "a.scalar.packed", "a.b.gguf",
                           "a.b.avx2.packed", "a..packed.txt", "a.packed", "ab.avx2.packed"}) {
    write(folder / name, "");
  }
  CHECK(kept_weights(folder / "a.gguf").value() ==
        std::vector{folder / "a.avx2.packed", folder / "a.scalar.packed"});
  CHECK(kept_weights(folder / "a.b.gguf").value() == std::vector{folder / "a.b.avx2.packed"});
  CHECK(kept_weights(folder / "none" / "a.gguf").value().empty());
  fs::remove_all(folder);
}

// A file that an older release wrote is taken by its number alone.
TEST_CASE("what is packed is that of this kPackedLayout: raise it where this fails") {
  static_assert(kPackedLayout == 1);
  Sha256 hash;
  std::mt19937 random(1);
  for (const auto type :
       {TensorType::kF32, TensorType::kF16, TensorType::kBF16, TensorType::kQ4_0, TensorType::kQ4_1,
        TensorType::kQ5_0, TensorType::kQ5_1, TensorType::kQ8_0, TensorType::kQ4_K,
        TensorType::kQ5_K, TensorType::kQ6_K}) {
    constexpr std::size_t kColumns = 512;
    for (const std::size_t group_rows : {std::size_t{8}, std::size_t{16}}) {
      std::vector<std::byte> file(*row_bytes(type, kColumns) * group_rows);
      for (std::byte& byte : file) byte = static_cast<std::byte>(random());
      std::vector<std::uint8_t> packed(group_bytes(type, kColumns, group_rows));
      pack_group(type, kColumns, group_rows, file, packed);
      hash.update(std::as_bytes(std::span(packed)));
    }
  }
  CHECK(hash.hex_digest() == "fc769656659623ae019e1bc66f931fc4433640dbf3cba6ab3ab23292f798f8a1");
}

}  // namespace
}  // namespace weft::inference::cpu
