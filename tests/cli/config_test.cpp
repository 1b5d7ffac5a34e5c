#include "cli/config.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/fakes/temp_dir.h"

namespace weft::cli {
namespace {

struct Fixture {
  test::TempDir directory;
  std::filesystem::path file = directory.path() / "config.toml";

  void write(const std::string& text) const { std::ofstream(file) << text; }
  Result<Config> load(const Environment& environment = {},
                      const std::vector<Config::Flag>& flags = {}) const {
    return Config::load(file, false, environment, flags);
  }
};

TEST_CASE("flags win over the environment, it over the file, it over defaults") {
  Fixture fixture;
  fixture.write("[retrieval]\npassages = 4\n[answer]\nthreshold = 1\nmax_tokens = 7\n");
  const auto config =
      fixture.load({{"WEFT_RETRIEVAL_PASSAGES", "5"}, {"WEFT_ANSWER_MAX_TOKENS", "8"}},
                   {{"--passages", "retrieval.passages", "6"}});
  REQUIRE(config);
  CHECK(config->integer("retrieval.passages") == 6);
  CHECK(config->entry("retrieval.passages").origin == "flag --passages");
  CHECK(config->integer("answer.max_tokens") == 8);
  CHECK(config->entry("answer.max_tokens").origin == "environment WEFT_ANSWER_MAX_TOKENS");
  CHECK(config->number("answer.threshold") == 1.0);
  CHECK(config->entry("answer.threshold").origin == fixture.file.string() + ":4");
  CHECK(config->string("model.name") == "qwen2.5-coder-0.5b");
  CHECK(config->entry("model.name").origin == "default");
}

TEST_CASE("an unknown key names its place and the nearest known one") {
  Fixture fixture;
  fixture.write("[retrieval]\npasages = 4\n");
  const auto in_file = fixture.load();
  REQUIRE_FALSE(in_file);
  CHECK(in_file.error().code == ErrorCode::kInvalidArgument);
  CHECK(in_file.error().message.find("config.toml:2") != std::string::npos);
  CHECK(in_file.error().message.find("\"retrieval.passages\"") != std::string::npos);
  fixture.write("");
  const auto in_environment = fixture.load({{"WEFT_RETRIEVAL_PASAGES", "4"}});
  REQUIRE_FALSE(in_environment);
  CHECK(in_environment.error().message.find("WEFT_RETRIEVAL_PASAGES") != std::string::npos);
  CHECK(fixture.load({{"WEFT_HOME", "/somewhere"}, {"WEFT_TEST_MODELS", "/x"}}));
}

TEST_CASE("a value of the wrong type, range or choice is refused with what is allowed") {
  Fixture fixture;
  for (const char* text : {"[retrieval]\npassages = 0\n", "[retrieval]\npassages = \"3\"\n",
                           "[retrieval]\nstop_words = \"german\"\n", "[answer]\nthreshold = 2\n",
                           "[answer]\nthreshold = nan\n", "[network]\noffline = 1\n",
                           "passages = 3\n", "[retrieval\n", "[retrieval]\npassages = [3]\n"}) {
    fixture.write(text);
    INFO(text);
    const auto config = fixture.load();
    REQUIRE_FALSE(config);
    CHECK(config.error().code == ErrorCode::kInvalidArgument);
    CHECK(config.error().message.find("config.toml:") != std::string::npos);
  }
  fixture.write("");
  const auto flag = fixture.load({}, {{"--passages", "retrieval.passages", "many"}});
  REQUIRE_FALSE(flag);
  CHECK(flag.error().message.find("--passages") != std::string::npos);
}

TEST_CASE("the short WEFT_CPU is the same as WEFT_ENGINE_CPU") {
  const Fixture fixture;
  const auto config = fixture.load({{"WEFT_CPU", "scalar"}});
  REQUIRE(config);
  CHECK(config->string("engine.cpu") == "scalar");
}

TEST_CASE("a missing file is fine unless it was asked for") {
  const Fixture fixture;
  CHECK(fixture.load());
  CHECK_FALSE(Config::load(fixture.file, true, {}, {}));
}

TEST_CASE("remote models have sections of their own, in the file or the environment") {
  Fixture fixture;
  fixture.write("[remote.my-gpu]\nurl = \"http://127.0.0.1:8080/v1\"\nretries = 5\n");
  const auto config = fixture.load({{"WEFT_REMOTE_MY_GPU_MODEL", "big"},
                                    {"WEFT_REMOTE_CLOUD_API_KEY_ENV", "KEY"},
                                    {"WEFT_REMOTE_CLOUD_URL", "https://example.org/v1"}});
  REQUIRE(config);
  CHECK(config->remotes() == std::vector<std::string>{"my-gpu", "cloud"});
  CHECK(config->string("remote.my-gpu.url") == "http://127.0.0.1:8080/v1");
  CHECK(config->integer("remote.my-gpu.retries") == 5);
  CHECK(config->integer("remote.my-gpu.parallel") == 4);
  CHECK(config->entry("remote.my-gpu.url").origin == fixture.file.string() + ":2");
  CHECK(config->string("remote.my-gpu.model") == "big");
  CHECK(config->string("remote.cloud.url") == "https://example.org/v1");
  CHECK(config->string("remote.cloud.api_key_env") == "KEY");
}

TEST_CASE("what is wrong in a remote model's section is named with its place") {
  Fixture fixture;
  const auto message = [&](const std::string& text, const Environment& environment = {}) {
    fixture.write(text);
    const auto config = fixture.load(environment);
    REQUIRE_FALSE(config);
    return config.error().message;
  };
  const std::string typo = message("[remote.a]\nulr = \"x\"\n");
  CHECK(typo.find("config.toml:2") != std::string::npos);
  CHECK(typo.find("\"remote.a.url\"") != std::string::npos);
  CHECK(message("[remote]\nurl = \"x\"\n").find("\"remote.url\"") != std::string::npos);
  CHECK(message("[remote.A]\nurl = \"x\"\n").find("small letters") != std::string::npos);
  CHECK(message("[remote.a.b]\nurl = \"x\"\n").find("remote.a.b") != std::string::npos);
  CHECK(message("[remote.a]\nretries = 11\n").find("outside 0 to 10") != std::string::npos);
  CHECK(message("", {{"WEFT_REMOTE_A_ULR", "x"}}).find("WEFT_REMOTE_A_ULR") != std::string::npos);
}

}  // namespace
}  // namespace weft::cli
