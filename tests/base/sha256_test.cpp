#include "base/sha256.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "base/sha256_blocks.h"
#include "tests/fakes/temp_dir.h"

namespace weft {
namespace {

std::string hex_of(std::string_view text) {
  Sha256 hash;
  hash.update(std::as_bytes(std::span(text)));
  return hash.hex_digest();
}

// FIPS 180-4 examples.
constexpr const char* kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kEmpty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* kMillionA =
    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST_CASE("SHA-256 gives the digests of FIPS 180-4") {
  CHECK(hex_of("") == kEmpty);
  CHECK(hex_of("abc") == kAbc);
  CHECK(hex_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST_CASE("SHA-256 does not depend on where its input is cut") {
  const std::string text(200, 'x');
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Sha256 hash;
    hash.update(std::as_bytes(std::span(text).first(cut)));
    hash.hex_digest();  // asking in between changes nothing
    hash.update(std::as_bytes(std::span(text).subspan(cut)));
    REQUIRE(hash.hex_digest() == hex_of(text));
  }
}

TEST_CASE("the processor's SHA instructions do what the plain code does") {
  if (sha256_blocks_best() == &sha256_blocks_plain) {
    WARN("skipped: this processor has no SHA instructions");
    return;
  }
  std::mt19937 random(1);
  Sha256State plain = {};
  Sha256State fast = {};
  for (std::size_t blocks = 0; blocks < 40; ++blocks) {
    std::vector<std::byte> data(blocks * kSha256BlockBytes);
    for (std::byte& byte : data) byte = static_cast<std::byte>(random());
    sha256_blocks_plain(plain, data.data(), blocks);
    sha256_blocks_best()(fast, data.data(), blocks);
    REQUIRE(fast == plain);
  }
}

TEST_CASE("plain SHA-256 of 'abc' is that of FIPS 180-4") {
  std::vector<std::byte> block(kSha256BlockBytes);
  block[0] = std::byte{'a'}, block[1] = std::byte{'b'}, block[2] = std::byte{'c'};
  block[3] = std::byte{0x80}, block[63] = std::byte{24};
  Sha256State state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  sha256_blocks_plain(state, block.data(), 1);
  CHECK(state == Sha256State{0xba7816bf, 0x8f01cfea, 0x414140de, 0x5dae2223, 0xb00361a3, 0x96177a9c,
                             0xb410ff61, 0xf20015ad});
}

TEST_CASE("a file's SHA-256 is that of its bytes, with progress") {
  const test::TempDir dir;
  std::ofstream(dir / "a") << std::string(1'000'000, 'a');
  std::uint64_t last = 0;
  const auto digest = sha256_file(dir / "a", [&](std::uint64_t done, std::uint64_t total) {
    CHECK(total == 1'000'000);
    last = done;
  });
  REQUIRE(digest);
  CHECK(*digest == kMillionA);
  CHECK(last == 1'000'000);
}

TEST_CASE("hashing a file can fail or be stopped") {
  const test::TempDir dir;
  CHECK(sha256_file(dir / "missing").error().code == ErrorCode::kNotFound);
  CHECK(sha256_file(dir.path()).error().code == ErrorCode::kIo);
  std::ofstream(dir / "a") << "abc";
  std::stop_source stop;
  stop.request_stop();
  CHECK(sha256_file(dir / "a", {}, stop.get_token()).error().code == ErrorCode::kCancelled);
}

}  // namespace
}  // namespace weft
