#include "tools/program_tool.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/child_process.h"
#include "tools/json_text.h"

namespace weft::tools {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kTailBytesMax = 500;  // of stderr, in a message

/// The last lines of what it said, as one line of text that can be shown.
std::string tail(const std::string& errors) {
  std::string text = errors;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  if (text.empty()) return "";
  if (text.size() > kTailBytesMax) text = "..." + text.substr(text.size() - kTailBytesMax);
  for (char& c : text) {  // a program's escape sequences don't reach a terminal
    if (c == '\n' || c == '\t' || c == '\r') c = ' ';
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
  }
  // Escaped as JSON is, broken UTF-8 is mended.
  return "; it said: " + shown(Json(text), 2 * kTailBytesMax);
}

Error failed(const ChildResult& ended) {
  const std::string how = ended.signal != 0 ? "was ended by signal " + std::to_string(ended.signal)
                                            : "exited with " + std::to_string(ended.exit_code);
  return Error{ErrorCode::kInternal, "the program " + how + tail(ended.errors)};
}

std::string fingerprint_of(const ProgramTool& program) {
  const Json known = {{"argv", program.argv},
                      {"working_directory", program.working_directory},
                      {"arguments", program.arguments.json()}};
  return "program:" + known.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Json> run(const ProgramTool& program, const Json& arguments, const ToolCall& call) {
  const std::string input = arguments.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  ChildOptions options;
  options.argv = program.argv;
  options.input = input;
  options.working_directory = program.working_directory;
  options.timeout = std::min(call.timeout, program.timeout);
  options.memory_bytes_max = program.memory_bytes_max;
  options.output_bytes_max = program.output_bytes_max;
  options.stop = call.stop;
  WEFT_TRY(ended, run_child(options));
  if (!ended.ok()) return failed(ended);
  auto result = parse_json(ended.output);
  if (!result) {
    return Error{ErrorCode::kInvalidArgument,
                 "what the program printed can't be used: " + result.error().message +
                     "; it begins with " + shown(Json(ended.output.substr(0, 60)))};
  }
  return result;
}

}  // namespace

Tool program_tool(const ProgramTool& program) {
  Tool tool;
  tool.name = program.name;
  tool.description = program.description;
  tool.arguments = program.arguments;
  tool.effect = program.effect;
  tool.timeout = program.timeout;
  tool.fingerprint = fingerprint_of(program);
  tool.run = [program](const Json& arguments, const ToolCall& call) {
    return run(program, arguments, call);
  };
  return tool;
}

}  // namespace weft::tools
