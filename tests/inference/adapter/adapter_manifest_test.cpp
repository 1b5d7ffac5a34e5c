#include "inference/adapter/adapter_manifest.h"

#include <catch2/catch.hpp>

#include "tests/fakes/gguf_writer.h"
#include "tests/fakes/temp_dir.h"

namespace weft::inference {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("a manifest stands beside a file and in a folder, however the folder was named") {
  const test::TempDir dir;
  CHECK(adapter_manifest_path(dir / "a.gguf") == dir / "a.gguf.manifest.json");
  CHECK(adapter_manifest_path(dir.path()) == dir / "adapter_manifest.json");
  CHECK(adapter_manifest_path(dir / "adapter_model.safetensors") == dir / "adapter_manifest.json");
  CHECK(adapter_root("adapter_model.safetensors") == ".");
}

TEST_CASE("a manifest that was written reads the same") {
  const test::TempDir dir;
  CHECK(read_adapter_manifest(dir / "a.gguf").value() == AdapterManifest{});
  const AdapterManifest manifests[] = {
      {.bases = {std::string(32, 'a'), std::string(32, '0')}, .initial = "../\"b\".gguf"},
      {.bases = {}, .has_residual_base = false, .initial = ""},
      {.bases = {std::string(32, '1')}, .has_residual_base = true, .initial = ""}};
  for (const AdapterManifest& manifest : manifests) {
    REQUIRE(write_adapter_manifest(dir / "a.gguf", manifest));
    CHECK(read_adapter_manifest(dir / "a.gguf").value() == manifest);
  }
  CHECK_THAT(
      write_adapter_manifest(dir / "a.gguf", {.bases = {"A"}, .initial = ""}).error().message,
      Contains("'A'"));
  CHECK(read_adapter_manifest(dir / "a.gguf").value() == manifests[2]);
}

TEST_CASE("what is no manifest is refused by the key") {
  const test::TempDir dir;
  const auto refusal = [&](const std::string& text) {
    fakes::write_file(dir / "a.gguf.manifest.json", std::as_bytes(std::span(text)));
    const auto read = read_adapter_manifest(dir / "a.gguf");
    REQUIRE_FALSE(read);
    CHECK(read.error().code == ErrorCode::kCorrupt);
    return read.error().message;
  };
  CHECK_THAT(refusal("[]"), Contains("isn't a JSON object"));
  CHECK_THAT(refusal(R"({"bases": ["x"]})"), Contains("'x'"));
  CHECK_THAT(refusal(R"({"residual_base": 1})"), Contains("residual_base"));
  CHECK_THAT(refusal(R"({"base": "x"})"), Contains("\"base\""));
}

}  // namespace
}  // namespace weft::inference
