#include "tools/program_tool.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/clock.h"

namespace weft::tools {
namespace {

using Json = nlohmann::json;

ProgramTool shell(const std::string& script) {
  ProgramTool program;
  program.name = "shell";
  program.argv = {"/bin/sh", "-c", script};
  return program;
}

Result<Json> run(const ProgramTool& program, const Json& arguments = {{"x", "a\nb"}},
                 std::stop_token stop = {}) {
  const Tool tool = program_tool(program);
  return tool.run(arguments, {stop, tool.timeout});
}

TEST_CASE("a program gets its arguments as a line of JSON, and its output is the result") {
  CHECK(run(shell("cat")).value() == Json({{"x", "a\nb"}}));
  CHECK(run(shell("echo 7")).value() == 7);  // it needn't read them
}

TEST_CASE("a program that fails or prints something else is an error that shows it") {
  const auto exited = run(shell("echo one; printf 'no such\\033[31m \\377city\\n' >&2; exit 3"));
  CHECK(exited.error().code == ErrorCode::kInternal);
  CHECK(exited.error().message ==
        "the program exited with 3; it said: \"no such?[31m \uFFFDcity\"");
  CHECK(run(shell("kill -9 $$")).error().message == "the program was ended by signal 9");
  const auto garbage = run(shell("echo '{\"x\": 1} and more'"));
  CHECK(garbage.error().code == ErrorCode::kInvalidArgument);
  CHECK(garbage.error().message.find("what the program printed can't be used: it isn't valid JSON "
                                     "from byte 10 on") == 0);
  CHECK_FALSE(run(shell("true")));
  CHECK_FALSE(run(shell("printf '\\377\\376'")));
  const auto deep = run(shell("yes '[' | head -100000"));
  CHECK(deep.error().message.find("more than 64 values inside") != std::string::npos);
  const auto talks = run(shell("yes error | head -c 100000 >&2; exit 1"));
  CHECK(talks.error().message.size() < 1200);
}

TEST_CASE("a program's time, output and stop are kept, its children included") {
  ProgramTool slow = shell("sleep 60 & sleep 60");
  slow.timeout = std::chrono::milliseconds(60);
  const SystemClock clock;
  const auto begin = clock.steady_now();
  CHECK(run(slow).error().code == ErrorCode::kDeadlineExceeded);
  slow.timeout = std::chrono::seconds(60);
  std::stop_source stop;
  std::jthread stopper([&] { stop.request_stop(); });
  CHECK(run(slow, {}, stop.get_token()).error().code == ErrorCode::kCancelled);
  CHECK(clock.steady_now() - begin < std::chrono::seconds(20));
  ProgramTool loud = shell("yes");
  loud.output_bytes_max = 1000;
  CHECK(run(loud).error().code == ErrorCode::kResourceExhausted);
  ProgramTool missing;
  missing.argv = {"no-such-program-at-all"};
  CHECK(run(missing).error().code == ErrorCode::kNotFound);
}

TEST_CASE("a program's fingerprint changes with what it runs and takes") {
  const auto one = program_tool(shell("cat")).fingerprint;
  CHECK(one == program_tool(shell("cat")).fingerprint);
  CHECK(one != program_tool(shell("tac")).fingerprint);
  ProgramTool other = shell("cat");
  other.arguments = Schema::parse({{"type", "object"}}).value();
  CHECK(one != program_tool(other).fingerprint);
}

}  // namespace
}  // namespace weft::tools
