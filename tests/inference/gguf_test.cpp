#include "inference/gguf.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "tests/fakes/gguf_writer.h"
#include "tests/fakes/quantize.h"

namespace weft::inference {
namespace {

using fakes::Bytes;
using fakes::GgufWriter;

constexpr std::uint64_t kU64Max = std::numeric_limits<std::uint64_t>::max();

// A path that is free at first and nobody else's, removed at the end.
class TemporaryPath {
 public:
  TemporaryPath()
      : path_(std::filesystem::temp_directory_path() /
              ("weft_gguf_" + std::to_string(::getpid()) + ".gguf")) {
    std::filesystem::remove(path_);
  }
  ~TemporaryPath() { std::filesystem::remove(path_); }
  const std::filesystem::path& get() const { return path_; }

 private:
  std::filesystem::path path_;
};

Result<GgufFile> open_bytes(const Bytes& bytes) {
  const TemporaryPath path;
  fakes::write_file(path.get(), bytes);
  return GgufFile::open(path.get());  // stays readable without its name
}

GgufFile opened(const GgufWriter& writer) {
  auto file = open_bytes(writer.build().bytes);
  if (!file) FAIL(file.error().message);
  return *std::move(file);
}

Bytes zeros(std::size_t size) { return Bytes(size); }

GgufWriter::Tensor floats(std::string name, std::uint64_t count) {
  return {std::move(name), {count}, 0, zeros(4 * count)};
}

GgufWriter small() {
  GgufWriter writer;
  writer.string("general.architecture", "llama");
  writer.tensor(floats("a", 3));
  writer.tensor(floats("b", 8));
  return writer;
}

TEST_CASE("metadata comes back as it was written") {
  GgufWriter writer;
  writer.scalar("u8", 0, std::uint8_t{255});
  writer.scalar("i8", 1, std::int8_t{-128});
  writer.scalar("u16", 2, std::uint16_t{65535});
  writer.scalar("i16", 3, std::int16_t{-2});
  writer.u32("u32", 4'000'000'000);
  writer.i32("i32", 7);
  writer.f32("f32", 1.5F);
  writer.boolean("bool", true);
  writer.string("string", "a\nb\x1B[2J");
  writer.scalar("u64", 10, kU64Max);
  writer.scalar("i64", 11, std::int64_t{-5});
  writer.scalar("f64", 12, 0.1);
  writer.strings("strings", std::vector<std::string>{"x", "", "yz"});
  writer.i32s("i32s", std::vector<std::int32_t>{1, -1, 2, 3, 4, 5});
  writer.f32s("f32s", std::vector<float>{0.5F, -2.0F});
  const GgufFile file = opened(writer);

  CHECK(file.version() == 3);
  CHECK(file.keys().size() == 15);
  CHECK(file.keys().at(8) == "string");
  CHECK(*file.unsigned_integer("u8") == 255);
  CHECK(*file.unsigned_integer("u16") == 65535);
  CHECK(*file.unsigned_integer("u32") == 4'000'000'000);
  CHECK(*file.unsigned_integer("i32") == 7);
  CHECK(*file.unsigned_integer("u64") == kU64Max);
  CHECK(*file.number("i8") == -128);
  CHECK(*file.number("i16") == -2);
  CHECK(*file.number("f32") == 1.5);
  CHECK(*file.number("f64") == 0.1);
  CHECK(*file.number("i64") == -5);
  CHECK(*file.boolean("bool"));
  CHECK(*file.string("string") == "a\nb\x1B[2J");
  CHECK(*file.strings("strings") == std::vector<std::string_view>{"x", "", "yz"});
  CHECK(*file.integers("i32s") == std::vector<std::int64_t>{1, -1, 2, 3, 4, 5});
  CHECK(*file.floats("f32s") == std::vector<float>{0.5F, -2.0F});
  CHECK(file.has("u8"));
  CHECK_FALSE(file.has("u9"));
  CHECK(file.tensors().empty());

  CHECK(file.describe("i8") == "-128");
  CHECK(file.describe("u64") == "18446744073709551615");
  CHECK(file.describe("f32") == "1.5");
  CHECK(file.describe("bool") == "true");
  CHECK(file.describe("string") == "a\\nb\\x1B[2J");
  CHECK(file.describe("strings") == "[string x 3] x, , yz");
  CHECK(file.describe("i32s") == "[i32 x 6] 1, -1, 2, 3, 4, ...");
  CHECK(file.describe("missing").empty());
}

TEST_CASE("forgotten metadata is gone, tensors stay") {
  GgufWriter writer;
  writer.string("name", "it");
  writer.tensor(floats("one", 4));
  auto file = opened(writer);
  REQUIRE(file.has("name"));
  file.forget_metadata();
  CHECK_FALSE(file.has("name"));
  CHECK(file.keys().empty());
  CHECK(file.string("name").error().code == ErrorCode::kNotFound);
  REQUIRE(file.tensor("one") != nullptr);
  std::vector<float> values(4, 1);
  CHECK(file.read_rows(*file.tensor("one"), 0, 1, values));
  CHECK(values == std::vector<float>(4));
}

TEST_CASE("a long string is described by its beginning, cut between characters") {
  GgufWriter writer;
  std::string umlauts;
  for (int i = 0; i < 300; ++i) umlauts += "\u00E4";
  writer.string("even", umlauts);
  const std::string odd = "x" + umlauts;
  writer.string("odd", odd);
  writer.string("control", "\u009B2J");  // a terminal's control sequence in one character
  const GgufFile file = opened(writer);
  CHECK(file.describe("even") == umlauts.substr(0, 200) + "...");
  CHECK(file.describe("odd") == odd.substr(0, 199) + "...");
  CHECK(file.describe("control") == "\\xC2\\x9B2J");
}

TEST_CASE("a getter refuses what is stored as another type, and says what it is stored as") {
  GgufWriter writer;
  writer.i32("negative", -1);
  writer.f32("float", 2.0F);
  writer.boolean("bool", true);
  writer.string("string", "1");
  writer.i32s("i32s", std::vector<std::int32_t>{1});
  writer.f32s("f32s", std::vector<float>{1});
  Bytes large;
  fakes::append(large, std::uint32_t{10});
  fakes::append(large, std::uint64_t{1});
  fakes::append(large, kU64Max);
  writer.raw("u64s", 9, large);
  const GgufFile file = opened(writer);

  CHECK(file.unsigned_integer("missing").error().code == ErrorCode::kNotFound);
  CHECK(file.strings("missing").error().code == ErrorCode::kNotFound);
  for (const char* key : {"negative", "float", "bool", "string", "i32s"}) {
    CHECK(file.unsigned_integer(key).error().code == ErrorCode::kCorrupt);
  }
  for (const char* key : {"bool", "string", "i32s"}) {
    CHECK(file.number(key).error().code == ErrorCode::kCorrupt);
  }
  CHECK(file.boolean("negative").error().code == ErrorCode::kCorrupt);
  CHECK(file.string("i32s").error().code == ErrorCode::kCorrupt);
  CHECK(file.strings("i32s").error().code == ErrorCode::kCorrupt);
  CHECK(file.strings("string").error().code == ErrorCode::kCorrupt);
  CHECK(file.floats("i32s").error().code == ErrorCode::kCorrupt);
  CHECK(file.floats("float").error().code == ErrorCode::kCorrupt);
  CHECK(file.integers("f32s").error().code == ErrorCode::kCorrupt);
  CHECK(file.integers("u64s").error().code == ErrorCode::kCorrupt);
  CHECK_THAT(file.floats("i32s").error().message,
             Catch::Contains("'i32s'") && Catch::Contains("[i32 x 1]"));
}

TEST_CASE("tensors lie where the file says and read back") {
  GgufWriter writer;
  writer.version = 2;
  writer.alignment = 64;
  writer.pads_the_end = false;
  writer.u32("general.alignment", 64);
  std::vector<float> values(32 * 3 * 2);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  writer.tensor(floats("first", 3));
  writer.tensor({"second", {32, 3, 2}, 8, fakes::quantize(TensorType::kQ8_0, values)});
  const GgufFile file = opened(writer);

  CHECK(file.version() == 2);
  REQUIRE(file.tensors().size() == 2);
  CHECK(file.tensors()[0].name == "first");
  CHECK(file.tensor("third") == nullptr);
  const TensorInfo* second = file.tensor("second");
  REQUIRE(second != nullptr);
  CHECK(second->type == TensorType::kQ8_0);
  CHECK(second->dims == std::vector<std::uint64_t>{32, 3, 2});
  CHECK(second->row_length() == 32);
  CHECK(second->rows() == 6);
  CHECK(second->size_bytes == 6 * 34);
  CHECK(second->offset == file.tensors()[0].offset + 64);
  CHECK(second->offset + second->size_bytes == file.size_bytes());

  std::vector<float> rows(64);
  REQUIRE(file.read_rows(*second, 4, 2, rows));
  CHECK(rows[0] == Approx(128).epsilon(0.01));
  CHECK(rows[63] == Approx(191).epsilon(0.01));
  Bytes raw(34);
  REQUIRE(file.read(*second, 34, raw));
  CHECK(raw == Bytes(fakes::quantize(TensorType::kQ8_0, std::span(values).subspan(32, 32))));

  CHECK(file.read_rows(*second, 5, 2, rows).error().code == ErrorCode::kInvalidArgument);
  CHECK(file.read_rows(*second, kU64Max, 2, rows).error().code == ErrorCode::kInvalidArgument);
  CHECK(file.read_rows(*second, 0, 1, rows).error().code == ErrorCode::kInvalidArgument);
  CHECK(file.read(*second, 6 * 34, raw).error().code == ErrorCode::kInvalidArgument);
  CHECK(file.read(*second, kU64Max, raw).error().code == ErrorCode::kInvalidArgument);
  CHECK(file.read_rows(*second, 6, 0, std::span<float>()));
}

TEST_CASE("rows that don't fit one read come back whole") {
  std::vector<float> values(40'000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  GgufWriter writer;
  writer.tensor({"long", {20'000, 2}, 0, fakes::quantize(TensorType::kF32, values)});
  const GgufFile file = opened(writer);
  std::vector<float> rows(40'000);
  REQUIRE(file.read_rows(file.tensors()[0], 0, 2, rows));
  CHECK(rows == values);
}

TEST_CASE("a header longer than one read is read whole") {
  std::vector<std::string> tokens;
  for (int i = 0; i < 300'000; ++i) tokens.push_back("token " + std::to_string(i));
  GgufWriter writer = small();
  writer.strings("tokens", tokens);
  const GgufFile file = opened(writer);
  const auto back = file.strings("tokens");
  REQUIRE(back);
  REQUIRE(back->size() == tokens.size());
  CHECK(std::equal(tokens.begin(), tokens.end(), back->begin()));
  CHECK(*file.string("general.architecture") == "llama");
}

TEST_CASE("what isn't a file is refused, without waiting") {
  const TemporaryPath path;
  CHECK(GgufFile::open(path.get()).error().code == ErrorCode::kNotFound);
  CHECK(GgufFile::open("/").error().code == ErrorCode::kIo);
  REQUIRE(::mkfifo(path.get().c_str(), 0600) == 0);
  CHECK(GgufFile::open(path.get()).error().code == ErrorCode::kIo);
}

TEST_CASE("a file that shrinks while it is open is an error at the read") {
  const TemporaryPath path;
  const Bytes bytes = small().build().bytes;
  fakes::write_file(path.get(), bytes);
  const auto file = GgufFile::open(path.get());
  REQUIRE(file);
  std::filesystem::resize_file(path.get(), bytes.size() - 32);
  std::vector<float> row(8);
  const auto result = file->read_rows(*file->tensor("b"), 0, 1, row);
  REQUIRE_FALSE(result);
  CHECK(result.error().code == ErrorCode::kIo);
  CHECK_THAT(result.error().message, Catch::Contains("shrank"));
}

struct Broken {
  const char* what;
  ErrorCode code;
  std::vector<const char*> message;  // what it holds
  std::function<void(GgufWriter&)> damage;
};

Bytes array_header(std::uint32_t type, std::uint64_t count) {
  Bytes bytes;
  fakes::append(bytes, type);
  fakes::append(bytes, count);
  return bytes;
}

TEST_CASE("each broken rule is refused with its reason") {
  constexpr ErrorCode kCorrupt = ErrorCode::kCorrupt;
  constexpr ErrorCode kUnsupported = ErrorCode::kUnsupported;
  const Broken all[] = {
      {"another magic", kCorrupt, {"not a GGUF"}, [](auto& w) { w.magic = 0x46554748; }},
      {"version 1", kUnsupported, {"version 1"}, [](auto& w) { w.version = 1; }},
      {"version 4", kUnsupported, {"version 4"}, [](auto& w) { w.version = 4; }},
      {"big-endian", kUnsupported, {"big-endian"}, [](auto& w) { w.version = 3 << 24; }},
      {"tensors without end",
       kCorrupt,
       {"tensors", "byte 8"},
       [](auto& w) { w.tensor_count = kU64Max; }},
      {"tensors beyond the file", kCorrupt, {"tensors"}, [](auto& w) { w.tensor_count = 100; }},
      {"one tensor too many", kCorrupt, {"byte"}, [](auto& w) { w.tensor_count = 3; }},
      {"keys without end",
       kCorrupt,
       {"metadata keys", "byte 16"},
       [](auto& w) { w.entry_count = kU64Max; }},
      {"a string without end",
       kCorrupt,
       {"'long'", "bytes long"},
       [](auto& w) {
         Bytes payload;
         fakes::append(payload, kU64Max);
         w.raw("long", 8, payload);
       }},
      {"an unknown value type",
       kCorrupt,
       {"'k'", "value type 13"},
       [](auto& w) { w.raw("k", 13, zeros(8)); }},
      {"a negative value type",
       kCorrupt,
       {"'k'", "value type"},
       [](auto& w) { w.raw("k", 0xFFFFFFFF, zeros(8)); }},
      {"an array of unknown type",
       kCorrupt,
       {"'k'", "value type 99"},
       [](auto& w) { w.raw("k", 9, array_header(99, 0)); }},
      {"an array of arrays",
       kCorrupt,
       {"'k'", "array of arrays"},
       [](auto& w) { w.raw("k", 9, array_header(9, 0)); }},
      {"an array beyond the file",
       kCorrupt,
       {"'k'", "claims 1000"},
       [](auto& w) { w.raw("k", 9, array_header(10, 1000)); }},
      {"an array whose size wraps",
       kCorrupt,
       {"'k'", "claims 2305843009213693953"},
       [](auto& w) { w.raw("k", 9, array_header(10, (1ULL << 61) + 1)); }},
      {"strings beyond the file",
       kCorrupt,
       {"'k'", "claims"},
       [](auto& w) { w.raw("k", 9, array_header(8, kU64Max)); }},
      {"a bool of 2",
       kCorrupt,
       {"'k'", "neither 0 nor 1"},
       [](auto& w) { w.scalar("k", 7, std::uint8_t{2}); }},
      {"a key twice",
       kCorrupt,
       {"'general.architecture'", "twice"},
       [](auto& w) { w.u32("general.architecture", 1); }},
      {"alignment 0",
       kCorrupt,
       {"general.alignment", "0, not a power of two"},
       [](auto& w) { w.u32("general.alignment", 0); }},
      {"alignment 48",
       kCorrupt,
       {"48, not a power of two"},
       [](auto& w) { w.u32("general.alignment", 48); }},
      {"alignment 2 MiB",
       kCorrupt,
       {"2097152"},
       [](auto& w) { w.u32("general.alignment", 2 << 20); }},
      {"alignment of another type",
       kCorrupt,
       {"must be a u32"},
       [](auto& w) { w.scalar("general.alignment", 10, std::uint64_t{32}); }},
      {"a tensor name of 64 bytes",
       kCorrupt,
       {"64 bytes long"},
       [](auto& w) { w.tensor(floats(std::string(64, 'n'), 1)); }},
      {"a tensor twice", kCorrupt, {"'a'", "twice"}, [](auto& w) { w.tensor(floats("a", 1)); }},
      {"no dimension",
       kCorrupt,
       {"'t'", "0 dimensions"},
       [](auto& w) {
         w.tensor({"t", {}, 0, zeros(4)});
       }},
      {"five dimensions",
       kCorrupt,
       {"'t'", "5 dimensions"},
       [](auto& w) {
         w.tensor({"t", {1, 1, 1, 1, 1}, 0, zeros(4)});
       }},
      {"2^32 - 1 dimensions",
       kCorrupt,
       {"'t'", "4294967295 dimensions"},
       [](auto& w) {
         w.tensor({"t", {1}, 0, zeros(4), {}, 0xFFFFFFFF});
       }},
      {"a dimension of 0",
       kCorrupt,
       {"'t'", "zero or less"},
       [](auto& w) {
         w.tensor({"t", {4, 0}, 0, {}});
       }},
      {"a negative dimension",
       kCorrupt,
       {"'t'", "zero or less"},
       [](auto& w) {
         w.tensor({"t", {4, kU64Max}, 0, {}});
       }},
      {"elements that wrap",
       kCorrupt,
       {"'t'", "63 bits"},
       [](auto& w) {
         w.tensor({"t", {1ULL << 32, 1ULL << 32}, 0, zeros(4)});
       }},
      {"elements that wrap to a few",
       kCorrupt,
       {"'t'", "63 bits"},
       [](auto& w) {
         w.tensor({"t", {(1ULL << 62) + 1, 4}, 0, zeros(16)});
       }},
      {"bytes that wrap",
       kCorrupt,
       {"'t'", "63 bits"},
       [](auto& w) {
         w.tensor({"t", {1ULL << 31, 1ULL << 31}, 0, zeros(4)});
       }},
      {"a row of bytes that wraps",
       kCorrupt,
       {"'t'", "63 bits"},
       [](auto& w) {
         w.tensor({"t", {1ULL << 62}, 0, zeros(4)});
       }},
      {"sizes whose sum wraps",
       kCorrupt,
       {"'t'", "beyond the file"},
       [](auto& w) {
         w.tensor({"t", {(1ULL << 61) - 8, 2}, 0, zeros(4)});
         w.tensor({"u", {8}, 0, zeros(32), 0});
       }},
      {"a tensor beyond the file",
       kCorrupt,
       {"'t'", "beyond the file"},
       [](auto& w) {
         w.tensor({"t", {100}, 0, zeros(4)});
       }},
      {"an overlap",
       kCorrupt,
       {"'t'", "lies at offset 32", "where 64"},
       [](auto& w) {
         w.tensor({"t", {4}, 0, zeros(16), 32});
       }},
      {"a hole",
       kCorrupt,
       {"'t'", "lies at offset 96"},
       [](auto& w) {
         w.tensor({"t", {4}, 0, zeros(64), 96});
       }},
      {"rows that aren't whole blocks",
       kCorrupt,
       {"'t'", "rows of 16", "Q8_0"},
       [](auto& w) {
         w.tensor({"t", {16, 2}, 8, zeros(34)});
       }},
      {"a format that isn't read",
       kUnsupported,
       {"'t'", "IQ4_NL", "Q4_K_M"},
       [](auto& w) {
         w.tensor({"t", {32}, 20, zeros(18)});
       }},
      {"a removed format",
       kUnsupported,
       {"'t'", "Q4_2"},
       [](auto& w) {
         w.tensor({"t", {32}, 4, zeros(18)});
       }},
      {"an unknown format",
       kUnsupported,
       {"'t'", "type id 1000"},
       [](auto& w) {
         w.tensor({"t", {32}, 1000, zeros(18)});
       }},
      {"a negative format",
       kUnsupported,
       {"'t'", "type id 4294967295"},
       [](auto& w) {
         w.tensor({"t", {32}, 0xFFFFFFFF, zeros(18)});
       }},
  };
  for (const Broken& broken : all) {
    GgufWriter writer = small();
    broken.damage(writer);
    const auto file = open_bytes(writer.build().bytes);
    CAPTURE(broken.what);
    REQUIRE_FALSE(file);
    CHECK(file.error().code == broken.code);
    CHECK_THAT(file.error().message, Catch::Contains("weft_gguf_"));  // the path
    for (const char* part : broken.message) {
      CHECK_THAT(file.error().message, Catch::Contains(part));
    }
  }
}

TEST_CASE("messages hold nothing that could steer a terminal") {
  GgufWriter writer = small();
  writer.raw("\x1B[2J" + std::string(5000, 'k'), 99, zeros(4));
  const auto file = open_bytes(writer.build().bytes);
  REQUIRE_FALSE(file);
  CHECK(file.error().message.find('\x1B') == std::string::npos);
  CHECK(file.error().message.size() < 400);
}

using TypeCounts = std::map<std::string, int>;

void check_model(const std::string& name, std::uint64_t size_bytes, const TypeCounts& expected) {
  const char* directory = std::getenv("WEFT_TEST_MODELS");
  const auto path = std::filesystem::path(directory == nullptr ? "" : directory) / (name + ".gguf");
  if (directory == nullptr || !std::filesystem::exists(path)) {
    std::cout << "SKIPPED: WEFT_TEST_MODELS doesn't hold " << name << ".gguf\n";
    return;
  }
  const auto start = std::chrono::steady_clock::now();
  const auto file = GgufFile::open(path);
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - start;
  REQUIRE(file);
  std::cout << name << ": opened in " << elapsed.count() << " ms\n";
  CHECK(file->size_bytes() == size_bytes);
  TypeCounts counts;
  for (const TensorInfo& tensor : file->tensors()) ++counts[std::string(to_string(tensor.type))];
  CHECK(counts == expected);
  const TensorInfo& last = file->tensors().back();
  CHECK(last.offset + last.size_bytes <= size_bytes);
}

TEST_CASE("smollm2-135m holds the formats that its card names", "[model]") {
  check_model("smollm2-135m", 98'362'432, {{"Q4_1", 210}, {"Q8_0", 1}, {"F32", 61}});
}

TEST_CASE("qwen2.5-coder-0.5b holds the formats that its card names", "[model]") {
  check_model("qwen2.5-coder-0.5b", 491'400'064,
              {{"Q5_0", 133}, {"Q8_0", 13}, {"Q6_K", 12}, {"Q4_K", 12}, {"F32", 121}});
}

TEST_CASE("qwen2.5-coder-1.5b holds the formats that its card names", "[model]") {
  check_model("qwen2.5-coder-1.5b", 1'117'320'768, {{"Q4_K", 169}, {"Q6_K", 29}, {"F32", 141}});
}

}  // namespace
}  // namespace weft::inference
