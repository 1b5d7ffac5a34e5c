#include "inference/weights/gguf_writer.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>

#include "inference/weights/write_model.h"
#include "tests/fakes/temp_dir.h"
#include "tests/fakes/tiny_model.h"

namespace weft::inference {
namespace {

namespace fs = std::filesystem;

std::vector<char> bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// For files that are too large for bytes_of().
bool have_same_bytes(const fs::path& a, const fs::path& b) {
  std::ifstream first(a, std::ios::binary);
  std::ifstream second(b, std::ios::binary);
  std::vector<char> one(1 << 20);
  std::vector<char> other(1 << 20);
  while (first && second) {
    first.read(one.data(), static_cast<std::streamsize>(one.size()));
    second.read(other.data(), static_cast<std::streamsize>(other.size()));
    if (first.gcount() != second.gcount() || one != other) return false;
  }
  return !first && !second;
}

std::size_t files_in(const fs::path& directory) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

Result<WrittenModel> copy_model(const fs::path& from, const fs::path& to) {
  WEFT_TRY(file, GgufFile::open(from));
  WriteModelOptions options;
  for (const TensorInfo& tensor : file.tensors()) options.types.push_back(tensor.type);
  return write_model(GgufTensors(file), GgufMetadata::copy_of(file), to, options);
}

TEST_CASE("a copy has the bytes of its file, with every type of value") {
  const test::TempDir dir;
  auto source = fakes::tiny_model({.type = TensorType::kQ8_0});
  source.scalar("a.u8", 0, std::uint8_t{200});
  source.scalar("a.i8", 1, std::int8_t{-2});
  source.scalar("a.u16", 2, std::uint16_t{65535});
  source.scalar("a.i16", 3, std::int16_t{-300});
  source.scalar("a.u64", 10, ~std::uint64_t{0});
  source.scalar("a.i64", 11, std::int64_t{-1});
  source.scalar("a.f64", 12, 0.1);
  source.boolean("a.bool", true);
  source.string("a.string", "");
  source.strings("a.strings", std::vector<std::string>{"", "one", "two"});
  source.f32s("a.f32s", {});
  SECTION("aligned to 32") {}
  SECTION("aligned to 128, version 2") {
    source.u32("general.alignment", 128);
    source.alignment = 128;
    source.version = 2;
  }
  fakes::write_file(dir / "from.gguf", source.build().bytes);
  const auto copied = copy_model(dir / "from.gguf", dir / "to.gguf");
  REQUIRE(copied);
  CHECK(bytes_of(dir / "to.gguf") == bytes_of(dir / "from.gguf"));
  CHECK(copied->size_bytes == fs::file_size(dir / "to.gguf"));
  CHECK(files_in(dir.path()) == 2);
}

TEST_CASE("keys are set in their place, added at the end, and taken out") {
  const test::TempDir dir;
  fakes::write_tiny_model(dir / "from.gguf", {});
  const auto from = GgufFile::open(dir / "from.gguf").value();
  auto metadata = GgufMetadata::copy_of(from);
  metadata.set_string("general.architecture", "other");
  metadata.set_u32("general.file_type", 7);
  metadata.erase("tokenizer.ggml.tokens");
  auto writer = GgufWriter::create(dir / "to.gguf", metadata, {});
  REQUIRE(writer);
  REQUIRE(writer->finish());
  const auto to = GgufFile::open(dir / "to.gguf");
  REQUIRE(to);
  CHECK(to->string("general.architecture").value() == "other");
  CHECK(to->unsigned_integer("general.file_type").value() == 7);
  CHECK_FALSE(to->has("tokenizer.ggml.tokens"));
  CHECK(to->keys().front() == from.keys().front());
  CHECK(to->keys().back() == "general.file_type");
  CHECK(to->keys().size() == from.keys().size());
}

TEST_CASE("a file that isn't finished leaves nothing behind") {
  const test::TempDir dir;
  const std::vector<TensorSpec> specs = {{"a", TensorType::kF32, {4}},
                                         {"b", TensorType::kQ8_0, {32, 2}}};
  {
    auto writer = GgufWriter::create(dir / "x.gguf", {}, specs);
    REQUIRE(writer);
    CHECK(files_in(dir.path()) == 1);
    REQUIRE(writer->append(std::vector<std::byte>(16)));
    CHECK(writer->append(std::vector<std::byte>(69)).error().code == ErrorCode::kInvalidArgument);
    CHECK_THAT(writer->finish().error().message, Catch::Contains("'b'"));
  }
  CHECK(files_in(dir.path()) == 0);
  auto writer = GgufWriter::create(dir / "x.gguf", {}, specs);
  REQUIRE(writer);
  REQUIRE(writer->append(std::vector<std::byte>(16)));
  REQUIRE(writer->append(std::vector<std::byte>(67)));
  REQUIRE(writer->append(std::vector<std::byte>(1)));
  CHECK_FALSE(writer->append(std::vector<std::byte>(1)));
  REQUIRE(writer->finish());
  CHECK(files_in(dir.path()) == 1);
  CHECK(fs::file_size(dir / "x.gguf") == writer->size_bytes());
  CHECK(GgufFile::open(dir / "x.gguf").value().tensor("b")->size_bytes == 68);
}

TEST_CASE("what no reader would take, or no disk, is refused before anything is written") {
  const test::TempDir dir;
  const auto refused = [&](std::vector<TensorSpec> tensors) {
    const auto writer = GgufWriter::create(dir / "x.gguf", {}, std::move(tensors));
    REQUIRE_FALSE(writer);
    CHECK(files_in(dir.path()) == 0);
    return writer.error();
  };
  const TensorSpec good{"good", TensorType::kF32, {4}};
  CHECK_THAT(refused({good, good}).message, Catch::Contains("twice"));
  CHECK_THAT(refused({{"t", TensorType::kQ4_K, {32}}}).message, Catch::Contains("whole blocks"));
  CHECK(refused({{"t", TensorType::kF32, {}}}).code == ErrorCode::kInvalidArgument);
  CHECK(refused({{"t", TensorType::kF32, {4, 0}}}).code == ErrorCode::kInvalidArgument);
  CHECK(refused({{std::string(64, 'n'), TensorType::kF32, {4}}}).code ==
        ErrorCode::kInvalidArgument);
  const auto full = GgufWriter::create(dir / "x.gguf", {}, {good}, [](const auto&) {
    return Result<std::uint64_t>(std::uint64_t{1000});
  });
  REQUIRE_FALSE(full);
  CHECK(full.error().code == ErrorCode::kResourceExhausted);
  CHECK(files_in(dir.path()) == 0);
  CHECK(GgufWriter::create(dir / "no/x.gguf", {}, {good}).error().code == ErrorCode::kNotFound);
}

TEST_CASE("real models are copied byte for byte", "[model]") {
  const char* directory = std::getenv("WEFT_TEST_MODELS");
  for (const char* name : {"smollm2-135m", "gemma-3-270m"}) {
    const auto path =
        fs::path(directory == nullptr ? "" : directory) / (std::string(name) + ".gguf");
    if (directory == nullptr || !fs::exists(path)) {
      std::cout << "SKIPPED: WEFT_TEST_MODELS doesn't hold " << name << ".gguf\n";
      continue;
    }
    const test::TempDir dir;
    REQUIRE(copy_model(path, dir / "copy.gguf"));
    CAPTURE(name);
    CHECK(have_same_bytes(dir / "copy.gguf", path));
  }
}

}  // namespace
}  // namespace weft::inference
