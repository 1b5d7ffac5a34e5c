#include "planner/nodes/remote.h"

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace weft::planner {
namespace {

using inference::RemoteAnswer;
using inference::RemoteFinish;

constexpr std::string_view kSchema = "schema ";  // how such a form's source begins

/// All that decides how the server is asked; what it runs, nobody here knows.
std::string describe(const inference::RemoteModel& model, const PromptNode& node) {
  const inference::SamplingOptions& sampling = node.options.sampling;
  std::string text = "remote " + model.options().url + " " + model.options().model;
  const auto add = [&](const char* name, const auto& value) {
    text += std::string("; ") + name + " " + std::to_string(value);
  };
  add("max_tokens", node.options.max_tokens);
  add("temperature", sampling.temperature);
  add("top_k", sampling.top_k);
  add("top_p", sampling.top_p);
  add("min_p", sampling.min_p);
  add("seed", sampling.seed);
  add("samples", node.samples);
  add("raw", static_cast<int>(node.is_raw));
  for (const std::string& stop : node.options.stop) {
    add("stop", stop.size());
    text += ' ' + stop;
  }
  add("system", node.system.size());
  text += ' ' + node.system + "; template " + node.prompt.source();
  return node.form.empty() ? text : text + "; form " + node.form;
}

Result<RemoteAnswer> ask(const inference::RemoteModel& model, const PromptNode& node,
                         const std::string& prompt, const inference::RemoteSettings& settings,
                         const std::stop_token& stop) {
  if (node.is_raw) return model.complete({prompt, settings}, {}, stop);
  inference::ChatRequest request{.messages = {}, .settings = settings};
  if (!node.system.empty()) request.messages.push_back({"system", node.system});
  request.messages.push_back({"user", prompt});
  return model.chat(request, {}, stop);
}

/// What it took, or all that a sample may take where the server doesn't say.
Spend spend_of(const RemoteAnswer& answer, const PromptNode& node, const Price& price) {
  Spend spent{.prompt_tokens = static_cast<std::int64_t>(node.prompt_tokens_max),
              .output_tokens = static_cast<std::int64_t>(node.options.max_tokens),
              .calls = 1};
  if (answer.has_usage) {
    spent.prompt_tokens = static_cast<std::int64_t>(answer.usage.prompt_tokens);
    spent.cached_tokens = static_cast<std::int64_t>(answer.usage.cached_tokens);
    spent.output_tokens =
        static_cast<std::int64_t>(answer.usage.think_tokens + answer.usage.answer_tokens);
  }
  spent.money_micros = price.of(spent.prompt_tokens, spent.output_tokens);
  return spent;
}

Result<void> check(const RemoteAnswer& answer, const PromptNode& node) {
  if (answer.finish == RemoteFinish::kCancelled) {
    return Error{ErrorCode::kCancelled, "the answer was stopped"};
  }
  if (answer.finish == RemoteFinish::kContentFilter) {
    return Error{ErrorCode::kPermissionDenied, "the server's content filter cut the answer"};
  }
  if (node.prompt_tokens_max != 0 && answer.has_usage &&
      answer.usage.prompt_tokens > node.prompt_tokens_max) {
    return Error{ErrorCode::kResourceExhausted,
                 "the prompt has " + std::to_string(answer.usage.prompt_tokens) +
                     " tokens, but the node's limit is " + std::to_string(node.prompt_tokens_max) +
                     ": raise prompt_tokens_max, or give it less text"};
  }
  return {};
}

Result<Value> run(const inference::RemoteModel& model, const PromptNode& node, const Price& price,
                  Ctx& ctx, Arguments in) {
  if (node.is_raw && !in.empty()) {
    return Error{ErrorCode::kUnsupported,
                 "a raw prompt with inputs: a remote model would parse control tokens in them; "
                 "leave \"raw\" out, or take a model in this process"};
  }
  std::vector<std::string_view> texts;
  for (const Value* value : in) texts.push_back(value->as<std::string>());
  WEFT_TRY(prompt, node.prompt.render_in_order(texts));
  WEFT_TRY(settings, inference::remote_settings(node.options));
  constexpr std::uint64_t kSeedMax = INT32_MAX;  // what every server takes
  settings.sampling.seed = ctx.seed(settings.sampling.seed) & kSeedMax;
  if (!node.form.empty()) settings.json_schema = node.form.substr(kSchema.size());
  std::vector<std::string> answers;
  for (std::size_t i = 0; i < node.samples; ++i) {
    WEFT_TRY(answer, ask(model, node, prompt.text, settings, ctx.stop()));
    ctx.spend(spend_of(answer, node, price));
    WEFT_TRY_VOID(check(answer, node));
    answers.push_back(std::move(answer.text));
    ++settings.sampling.seed;
  }
  if (node.samples > 1) return make_value(std::move(answers));
  return make_value(std::move(answers[0]));
}

}  // namespace

FunctionPtr RemoteNodes::prompt(PromptNode node) {
  if (node.samples == 0) node.samples = 1;
  auto made = std::make_shared<Function>();
  made->inputs.assign(node.prompt.names().size(), type_of<std::string>());
  made->output = node.samples > 1 ? type_of<std::vector<std::string>>() : type_of<std::string>();
  made->fingerprint = describe(model_, node);
  made->label = (node.is_raw ? "text_completion " : "chat ") + name_;
  made->run = [this, node = std::move(node)](Ctx& ctx, Arguments in) {
    return planner::run(model_, node, price_, ctx, in);
  };
  return made;
}

Result<void> RemoteNodes::hold(PromptNode& node, const AnswerForm& form) {
  if (node.is_raw || !form.source.starts_with(kSchema)) {
    return Error{ErrorCode::kUnsupported,
                 "a remote model can be held to a \"schema\" alone, and not with \"raw\": leave "
                 "that out, or take a model in this process"};
  }
  node.form = form.source;
  return {};
}

Policy RemoteNodes::policy_of(const PromptNode& node) const {
  const auto samples = static_cast<std::int64_t>(node.samples);
  const std::int64_t prompt = samples * static_cast<std::int64_t>(node.prompt_tokens_max);
  const std::int64_t output = samples * static_cast<std::int64_t>(node.options.max_tokens);
  return {.lane = LaneKind::kIo,
          .cost = {.prompt_tokens = prompt,
                   .output_tokens = output,
                   .calls = samples,
                   .money_micros = price_.of(prompt, output)}};
}

}  // namespace weft::planner
