#include "inference/safetensors.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/fakes/safetensors_writer.h"
#include "tests/fakes/temp_dir.h"

namespace weft::inference {
namespace {

using fakes::Bytes;
using fakes::SafetensorsWriter;

const std::vector<float> kSix = {1, 2, 3, 4, 5, 6};

/// Opens bytes as a file, which is gone afterwards but stays readable.
Result<SafetensorsFile> open(const Bytes& bytes) {
  const test::TempDir folder;
  fakes::write_file(folder / "model.safetensors", bytes);
  return SafetensorsFile::open(folder / "model.safetensors");
}

/// A header of one's own before `data_bytes` zeros.
Result<SafetensorsFile> open_header(const std::string& header, std::size_t data_bytes) {
  return open(SafetensorsWriter::with_header(header, Bytes(data_bytes)));
}

void check_refused(const std::string& header, std::size_t data_bytes, const std::string& reason,
                   ErrorCode code = ErrorCode::kCorrupt) {
  INFO(header);
  const auto file = open_header(header, data_bytes);
  REQUIRE_FALSE(file);
  CHECK(file.error().code == code);
  INFO(file.error().message);
  CHECK(file.error().message.find(reason) != std::string::npos);
}

TEST_CASE("tensors of a safetensors file are found by name and read as floats") {
  SafetensorsWriter writer;
  writer.floats("a", {2, 3}, kSix);
  const std::vector<std::uint16_t> halves = {0x3C00, 0xC000};  // 1, -2
  writer.tensor("half", "F16", {2}, std::as_bytes(std::span(halves)));
  const std::vector<std::uint16_t> bfloats = {0x3F80, 0x4040};  // 1, 3
  writer.tensor("brain", "BF16", {1, 2}, std::as_bytes(std::span(bfloats)));
  writer.floats("scalar", {}, std::span(kSix).first(1));
  writer.floats("none", {0, 3}, {});
  const auto file = open(writer.build());
  if (!file) FAIL(file.error().message);
  REQUIRE(file->tensors().size() == 5);
  CHECK(file->tensor("b") == nullptr);
  const SafetensorsTensor& a = *file->tensor("a");
  CHECK(a.rows() == 2);
  CHECK(a.row_length() == 3);
  std::vector<float> row(3);
  REQUIRE(file->read_rows(a, 1, 1, row));
  CHECK(row == std::vector<float>{4, 5, 6});
  std::vector<float> two(2);
  REQUIRE(file->read_rows(*file->tensor("half"), 0, 1, two));
  CHECK(two == std::vector<float>{1, -2});
  REQUIRE(file->read_rows(*file->tensor("brain"), 0, 1, two));
  CHECK(two == std::vector<float>{1, 3});
  CHECK(file->tensor("scalar")->rows() == 1);
  CHECK(file->tensor("none")->size_bytes == 0);
}

TEST_CASE("rows beyond a tensor, and those of whole numbers, aren't read") {
  SafetensorsWriter writer;
  writer.floats("a", {2, 3}, kSix);
  const std::vector<std::int64_t> numbers = {7};
  writer.tensor("i", "I64", {1}, std::as_bytes(std::span(numbers)));
  const auto file = open(writer.build());
  REQUIRE(file);
  std::vector<float> row(3);
  CHECK(file->read_rows(*file->tensor("a"), 2, 1, row).error().code == ErrorCode::kInvalidArgument);
  CHECK(file->read_rows(*file->tensor("a"), 0, 2, row).error().code == ErrorCode::kInvalidArgument);
  std::vector<float> one(1);
  const auto read = file->read_rows(*file->tensor("i"), 0, 1, one);
  REQUIRE_FALSE(read);
  CHECK(read.error().code == ErrorCode::kUnsupported);
  CHECK(read.error().message.find("I64") != std::string::npos);
}

TEST_CASE("metadata and padding of the header are taken") {
  const auto file = open_header(
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}   )",
      2);
  if (!file) FAIL(file.error().message);
  REQUIRE(file->metadata().size() == 1);
  CHECK(file->metadata()[0].first == "format");
  CHECK(file->metadata()[0].second == "pt");
}

TEST_CASE("a header that breaks a rule of safetensors is refused, naming it") {
  const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  REQUIRE(open_header("{" + a + "}", 8));
  check_refused("{" + a + "}", 7, "cut short");
  check_refused("{" + a + "}", 9, "left over");
  check_refused("{" + a + "," + a + "}", 8, "occurs twice");
  check_refused("{" + a + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8,
                "overlap");
  check_refused("{" + a + R"(,"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})", 16,
                "hole");
  check_refused(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, "dtype and shape");
  check_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "ends before");
  check_refused(R"({"a":{"dtype":"F32","shape":[2]}})", 8, "lacks");
  check_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", 8, "lacks");
  check_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}})", 8, "third offset");
  check_refused(R"({"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}})", 8,
                "twice");
  check_refused(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8,
                "unknown key");
  check_refused(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "negative");
  check_refused(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8, "fraction");
  check_refused(R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", 8, "an array");
  check_refused(R"({"a":{"dtype":"F32","shape":{"b":2},"data_offsets":[0,8]}})", 8, "an object");
  check_refused(R"({"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}})", 8, "a number");
  check_refused(R"({"a":null})", 0, "null");
  check_refused(R"(["a"])", 0, "doesn't begin");
  check_refused(R"({"a")", 0, "isn't JSON");
  check_refused("", 0, "doesn't begin");
  check_refused(R"({"a":{"dtype":"Q9","shape":[2],"data_offsets":[0,8]}})", 8, "Q9",
                ErrorCode::kUnsupported);
  check_refused(R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1,
                "more than 8 dims", ErrorCode::kUnsupported);
}

TEST_CASE("shapes whose product wraps around are refused") {
  check_refused(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
                "2^64");
  check_refused(R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,0]}})", 0,
                "2^64");
  check_refused(
      R"({"a":{"dtype":"U8","shape":[8],"data_offsets":[18446744073709551608,18446744073709551616]}})",
      8, "fraction");
}

TEST_CASE("nesting of any depth costs nothing") {
  check_refused("{\"a\":" + std::string(1'000'000, '['), 0, "an array");
  check_refused("{\"a\":{\"shape\":" + std::string(1'000'000, '['), 0, "an array");
}

TEST_CASE("a header's length is believed only as far as the file goes") {
  Bytes bytes;
  fakes::append(bytes, ~std::uint64_t{0});
  auto file = open(bytes);
  REQUIRE_FALSE(file);
  CHECK(file.error().code == ErrorCode::kCorrupt);
  file = open(Bytes(3));
  REQUIRE_FALSE(file);
  CHECK(file.error().code == ErrorCode::kCorrupt);
}

TEST_CASE("a header over 100 MB is refused before it is read") {
  const test::TempDir folder;
  Bytes bytes;
  fakes::append(bytes, kSafetensorsHeaderBytesMax + 1);
  fakes::write_file(folder / "model.safetensors", bytes);
  std::filesystem::resize_file(folder / "model.safetensors", 200'000'000);  // a hole on the disk
  const auto file = SafetensorsFile::open(folder / "model.safetensors");
  REQUIRE_FALSE(file);
  CHECK(file.error().code == ErrorCode::kResourceExhausted);
}

TEST_CASE("a missing safetensors file, and a folder in its place, are told apart") {
  const test::TempDir folder;
  CHECK(SafetensorsFile::open(folder / "none").error().code == ErrorCode::kNotFound);
  CHECK(SafetensorsFile::open(folder.path()).error().code == ErrorCode::kIo);
}

}  // namespace
}  // namespace weft::inference
