#include "cli/remote_complete.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "cli/json_output.h"
#include "cli/span_printer.h"
#include "cli/text_input.h"
#include "tools/json_text.h"
#include "tools/schema.h"

namespace weft::cli {
namespace {

using inference::RemoteAnswer;
using inference::RemoteFinish;
using Json = nlohmann::ordered_json;

constexpr std::size_t kSchemaBytesMax = 1 << 20;

Result<std::string> read_schema(const Context& context, const RemoteCompletion& options) {
  if (options.schema_file.empty()) return std::string();
  return read_input(context, options.schema_file, kSchemaBytesMax);
}

/// Servers that don't know the field ignore it: an answer that isn't what was asked for must not
/// pass for one.
Result<void> check_form(const RemoteAnswer& answer, const std::string& schema_text) {
  if (schema_text.empty() || answer.finish != RemoteFinish::kStop) return {};
  const auto wrong = [](const Error& why) {
    return Error{ErrorCode::kCorrupt,
                 "the answer isn't what --schema asks for; does the server support "
                 "response_format json_schema? " +
                     why.message};
  };
  const auto json = tools::parse_json(answer.text);
  if (!json) return wrong(json.error());
  WEFT_TRY(schema_json, tools::parse_json(schema_text));
  const auto schema = tools::Schema::parse(schema_json);
  if (!schema) return {};  // has keywords that are the server's to check
  const auto checked = schema->check(*json);
  if (!checked) return wrong(checked.error());
  return {};
}

Result<RemoteAnswer> ask(const Context& context, const Remote& remote, const std::string& schema,
                         const RemotePrompt& prompt, const inference::RemoteEvents& events) {
  WEFT_TRY(settings, inference::remote_settings(prompt.generate));
  settings.json_schema = schema;
  if (prompt.messages.empty()) {
    return remote.model->complete({prompt.raw, std::move(settings)}, events, context.stop);
  }
  inference::ChatRequest request{.messages = {}, .settings = std::move(settings)};
  for (const auto& message : prompt.messages) {
    request.messages.push_back({message.role, message.content});
  }
  return remote.model->chat(request, events, context.stop);
}

Json result_json(const RemoteAnswer& answer, const Remote& remote) {
  Json json = {{"text", answer.text},
               {"finish_reason", to_string(answer.finish)},
               {"usage", answer.has_usage ? usage_json(answer.usage) : Json()},
               {"timing", timing_json(answer.timing, answer.usage)},
               {"model", remote.name},
               {"server_model", answer.model}};
  if (!answer.thinking.empty()) json["thinking"] = answer.thinking;
  return json;
}

}  // namespace

Result<ExitCode> complete_remotely(Context& context, const RemoteCompletion& options,
                                   const RemotePrompt& prompt) {
  WEFT_TRY(remote, open_remote(context));
  WEFT_TRY(schema, read_schema(context, options));
  Console& console = context.console;
  SpanPrinter printer(console, options.shows_thinking);
  WEFT_TRY(answer, ask(context, remote, schema, prompt,
                       {.on_text = printer.on_text(), .on_think = printer.on_think()}));
  WEFT_TRY_VOID(check_form(answer, schema));
  if (console.json_result()) {
    console.print_json(result_json(answer, remote));
  } else {
    console.print("\n");
    if (answer.finish == RemoteFinish::kContentFilter) {
      console.warn("the server's content filter cut the answer");
    }
  }
  return answer.finish == RemoteFinish::kCancelled ? ExitCode::kInterrupted : ExitCode::kDone;
}

Result<ExitCode> complete_lines_remotely(
    Context& context, const RemoteCompletion& options, const std::string& file,
    const std::vector<std::string>& keys,
    const std::function<Result<RemotePrompt>(const BatchLine&)>& read) {
  WEFT_TRY(remote, open_remote(context));
  WEFT_TRY(schema, read_schema(context, options));
  const auto one = [&](const BatchLine& line) -> Result<Json> {
    WEFT_TRY(prompt, read(line));
    WEFT_TRY(answer, ask(context, remote, schema, prompt, {}));
    if (answer.finish == RemoteFinish::kCancelled) {
      return Error{ErrorCode::kCancelled, "interrupted"};
    }
    WEFT_TRY_VOID(check_form(answer, schema));
    return result_json(answer, remote);
  };
  return run_batch_side_by_side(
      context, file, keys, remote.parallel,
      [&](std::size_t /*thread*/, const BatchLine& line) { return one(line); });
}

}  // namespace weft::cli
