// `weft complete`: continues a prompt, as a chat turn or raw.

#include <CLI/CLI.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/adapter_flags.h"
#include "cli/batch.h"
#include "cli/grammar_flags.h"
#include "cli/json_output.h"
#include "cli/logits_flags.h"
#include "cli/peer_flags.h"
#include "cli/remote_complete.h"
#include "cli/span_printer.h"
#include "cli/text_input.h"
#include "cli/verbs.h"
#include "cli/whole_number.h"
#include "inference/chat_prompt.h"
#include "inference/engine.h"
#include "inference/generate.h"
#include "inference/session.h"

namespace weft::cli {
namespace {

using inference::ChatMessage;
using Json = nlohmann::ordered_json;

constexpr std::size_t kLinesAtOnce = 32;
constexpr std::size_t kPromptBytesMax = 64 << 20;

std::vector<std::string> batch_keys() {
  std::vector<std::string> keys = {"prompt", "messages", "max_tokens", "temperature", "top_k",
                                   "top_p",  "min_p",    "seed",       "stop",        "raw",
                                   "id",     "prefill",  "adapter"};
  keys.insert(keys.end(), logits_keys().begin(), logits_keys().end());
  keys.insert(keys.end(), grammar_keys().begin(), grammar_keys().end());
  return keys;
}

struct Options {
  TextInput input;
  std::string system;
  std::string batch;
  std::string prefill;
  bool raw = false;
  bool show_thinking = false;
  std::size_t max_tokens = 256;
  inference::SamplingOptions sampling;
  LogitsFlags logits;
  GrammarFlags grammar;
  PeerFlags peers;
  AdapterFlags adapters;
  std::vector<std::string> stop;
};

struct Request {
  std::vector<ChatMessage> messages;
  std::string raw_prompt;
  std::string prefill;
  bool raw = false;
  inference::GenerateOptions generate;
};

/// What no request says for itself.
void configure(const Context& context, const inference::Model& model,
               inference::GenerateOptions& options) {
  options.stop_token = context.stop;
  options.draft_tokens_max = static_cast<std::size_t>(context.config.integer("engine.draft"));
  options.think = inference::find_think_span(model.tokenizer());
  if (options.think) {
    options.think->tokens_max =
        static_cast<std::size_t>(context.config.integer("answer.think_tokens"));
  }
}

/// What all lines of a run share that changes logits.
struct Steps {
  std::optional<inference::LogitsStep> peers;
  std::optional<inference::LogitsStep> blocked;
  AnswerForms forms;
};

/// Puts the peers first, since the other steps are for the sum, and the form last: what those make
/// likelier must still fit.
void surround(const Steps& steps, std::optional<inference::LogitsStep> form,
              inference::GenerateOptions& options) {
  if (steps.peers) options.logits.insert(options.logits.begin(), *steps.peers);
  if (steps.blocked) options.logits.push_back(*steps.blocked);
  if (form) options.logits.push_back(*std::move(form));
}

Result<void> check_prefill(bool raw, const std::string& prefill) {
  if (!raw || prefill.empty()) return {};
  return Error{ErrorCode::kInvalidArgument,
               "a prefill begins the assistant's turn of a chat; a raw prompt has none: put the "
               "text at its end"};
}

std::int64_t unix_time_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

Result<std::vector<inference::TokenId>> prompt_ids(const inference::Model& model,
                                                   const Request& request) {
  const auto& tokenizer = model.tokenizer();
  if (request.raw) {
    auto ids = tokenizer.encode(request.raw_prompt, true);
    if (const auto bos = tokenizer.bos();
        tokenizer.adds_bos() && bos && (ids.empty() || ids.front() != *bos)) {
      ids.insert(ids.begin(), *bos);
    }
    return ids;
  }
  return chat_prompt(model, request.messages, unix_time_s(), request.prefill);
}

Json result_json(const std::vector<inference::TokenId>& prompt, const inference::Generation& made) {
  Json json = {{"text", made.text},
               {"ids", made.ids},
               {"prompt_ids", prompt},
               {"finish_reason", inference::to_string(made.finish_reason)},
               {"usage", usage_json(made.usage)},
               {"timing", timing_json(made.timing, made.usage)}};
  if (!made.thinking.empty()) json["thinking"] = made.thinking;
  return json;
}

Result<Request> request_of(const Context& context, const Options& options) {
  Request request;
  request.raw = options.raw;
  WEFT_TRY_VOID(check_prefill(options.raw, options.prefill));
  request.prefill = options.prefill;
  WEFT_TRY(prompt, read_text(context, options.input, kPromptBytesMax));
  if (options.raw) {
    request.raw_prompt = std::move(prompt);
  } else {
    if (!options.system.empty()) request.messages.push_back({"system", options.system});
    request.messages.push_back({"user", std::move(prompt)});
  }
  request.generate.max_tokens = options.max_tokens;
  request.generate.sampling = options.sampling;
  WEFT_TRY(logits, logits_steps(options.logits));
  request.generate.logits = std::move(logits);
  request.generate.stop = options.stop;
  return request;
}

Result<std::vector<ChatMessage>> messages_of(const Json& list) {
  const Error wrong{ErrorCode::kInvalidArgument,
                    "\"messages\": a list of {\"role\", \"content\"} strings is needed here"};
  std::vector<ChatMessage> messages;
  if (!list.is_array() || list.empty()) return wrong;
  for (const Json& item : list) {
    if (!item.is_object() || !item.contains("role") || !item["role"].is_string() ||
        !item.contains("content") || !item["content"].is_string()) {
      return wrong;
    }
    messages.push_back({item["role"].get<std::string>(), item["content"].get<std::string>()});
  }
  return messages;
}

Result<Request> request_of(const BatchLine& line, const Options& defaults) {
  Request request;
  WEFT_TRY(raw, line.boolean("raw", defaults.raw));
  request.raw = raw;
  request.prefill = defaults.prefill;
  if (line.has("prefill")) {
    WEFT_TRY(prefill, line.string("prefill"));
    request.prefill = std::move(prefill);
  }
  WEFT_TRY_VOID(check_prefill(raw, request.prefill));
  if (line.has("messages") == line.has("prompt")) {
    return Error{ErrorCode::kInvalidArgument, "give either \"prompt\" or \"messages\""};
  }
  if (line.has("messages")) {
    if (raw) return Error{ErrorCode::kInvalidArgument, "\"raw\" goes with \"prompt\""};
    WEFT_TRY(messages, messages_of(line.object().at("messages")));
    request.messages = std::move(messages);
  } else {
    WEFT_TRY(prompt, line.string("prompt"));
    if (!defaults.system.empty()) request.messages.push_back({"system", defaults.system});
    request.messages.push_back({"user", prompt});
    request.raw_prompt = std::move(prompt);
  }
  auto& generate = request.generate;
  WEFT_TRY(max_tokens, line.count("max_tokens", defaults.max_tokens));
  WEFT_TRY(temperature, line.number("temperature", defaults.sampling.temperature));
  WEFT_TRY(top_p, line.number("top_p", defaults.sampling.top_p));
  WEFT_TRY(min_p, line.number("min_p", defaults.sampling.min_p));
  WEFT_TRY(top_k, line.count("top_k", defaults.sampling.top_k));
  WEFT_TRY(seed, line.count("seed", defaults.sampling.seed));
  WEFT_TRY(stop, line.strings("stop"));
  WEFT_TRY(logits, logits_steps(line, defaults.logits));
  generate.logits = std::move(logits);
  generate.max_tokens = max_tokens;
  generate.sampling = {static_cast<float>(temperature), top_k, static_cast<float>(top_p),
                       static_cast<float>(min_p), seed};
  generate.stop = line.has("stop") ? stop : defaults.stop;
  return request;
}

/// Lines are answered together, each as it would be alone.
Result<ExitCode> run_lines(Context& context, const Options& options, const Engine& loaded,
                           Steps steps) {
  inference::EngineOptions limits;
  limits.context_length_max = loaded.context_length(context.config);
  WEFT_TRY(engine, inference::Engine::open(loaded.model, limits));
  AdapterCache adapters(loaded.model);
  const auto submit = [&](const BatchLine& line, Result<Json>& result) -> Result<void> {
    WEFT_TRY(request, request_of(line, options));
    WEFT_TRY(prompt, prompt_ids(*loaded.model, request));
    configure(context, *loaded.model, request.generate);
    WEFT_TRY(form, steps.forms.step(line, *loaded.model, request.generate.think));
    surround(steps, std::move(form), request.generate);
    AdapterFlags named = options.adapters;
    if (line.has("adapter")) {
      WEFT_TRY(adapter, line.strings("adapter"));
      named.adapters = std::move(adapter);
    }
    WEFT_TRY(adapter, adapters.attach(named));
    inference::EngineEvents events;
    events.on_end = [&result, prompt](inference::AnswerId, Result<inference::Generation> made) {
      if (!made) {
        result = made.error();
      } else if (made->finish_reason == inference::FinishReason::kCancelled) {
        result = Error{ErrorCode::kCancelled, "interrupted"};
      } else {
        result = result_json(prompt, *made);
      }
    };
    inference::Group group;
    group.requests.push_back({.prompt = std::move(prompt),
                              .options = std::move(request.generate),
                              .adapter = std::move(adapter)});
    WEFT_TRY_VOID(engine.submit(std::move(group), std::move(events)));
    return {};
  };
  return run_batch_groups(
      context, options.batch, batch_keys(), kLinesAtOnce,
      [&](std::span<const BatchLine> lines) -> Result<std::vector<Result<Json>>> {
        std::vector<Result<Json>> results(
            lines.size(), Error{ErrorCode::kInternal, "the engine gave this line no answer"});
        for (std::size_t i = 0; i < lines.size(); ++i) {
          const auto submitted = submit(lines[i], results[i]);
          if (!submitted) results[i] = submitted.error();
        }
        engine.run();
        return results;
      });
}

Result<RemotePrompt> remote_prompt(const Context& context, Request request) {
  if (!request.prefill.empty()) {
    return remote_cannot(context, "prefill", inference::Capability::kPrefill);
  }
  return RemotePrompt{std::move(request.messages), std::move(request.raw_prompt),
                      std::move(request.generate)};
}

Result<ExitCode> run_remotely(Context& context, const Options& options, Request request) {
  for (const auto& [flag, value] :
       {std::pair("--grammar", &options.grammar.grammar), {"--regex", &options.grammar.regex}}) {
    if (!value->empty()) return remote_cannot(context, flag, inference::Capability::kGrammars);
  }
  if (!options.logits.bias.empty()) {
    return remote_cannot(context, "--logit-bias", inference::Capability::kLogits);
  }
  if (!options.logits.blocked_text.empty()) {
    return remote_cannot(context, "--block-ngrams", inference::Capability::kLogits);
  }
  if (options.logits.penalties.repeat != 1) {
    return remote_cannot(context, "--repeat-penalty", inference::Capability::kLogits);
  }
  const RemoteCompletion how{options.grammar.schema, options.show_thinking};
  if (options.batch.empty()) {
    WEFT_TRY(prompt, remote_prompt(context, std::move(request)));
    return complete_remotely(context, how, prompt);
  }
  return complete_lines_remotely(context, how, options.batch, batch_keys(),
                                 [&](const BatchLine& line) -> Result<RemotePrompt> {
                                   WEFT_TRY(read, request_of(line, options));
                                   return remote_prompt(context, std::move(read));
                                 });
}

Result<ExitCode> run_complete(Context& context, const Options& options) {
  Request request;
  if (options.batch.empty()) {
    WEFT_TRY(made, request_of(context, options));
    request = std::move(made);
    WEFT_TRY_VOID(validate(request.generate.sampling));
  }
  if (!options.adapters.adapters.empty() && remote_name(context.config)) {
    return Error{ErrorCode::kUnsupported,
                 "--lora changes a model that runs here; a remote one can't be changed"};
  }
  if (remote_name(context.config)) return run_remotely(context, options, std::move(request));
  // What is wrong with it is said before the model is loaded.
  WEFT_TRY(forms, AnswerForms::open(options.grammar));
  WEFT_TRY(engine, load_engine(context, {.chat = !options.raw}));
  note_unused_think_flags(context, engine, options.show_thinking);
  WEFT_TRY(peers, peer_step(context, engine, options.peers));
  WEFT_TRY(blocked, blocking_step(context, options.logits, engine.model->tokenizer()));
  Steps steps{std::move(peers), std::move(blocked), std::move(forms)};
  if (!options.batch.empty()) return run_lines(context, options, engine, std::move(steps));
  WEFT_TRY(adapter, attach_adapters(options.adapters, engine.model));
  WEFT_TRY(session, inference::Session::open(
                        engine.model, {.context_length_max = engine.context_length(context.config),
                                       .adapter = std::move(adapter)}));

  WEFT_TRY(prompt, prompt_ids(*engine.model, request));
  configure(context, *engine.model, request.generate);
  WEFT_TRY(form, steps.forms.step(*engine.model, request.generate.think));
  surround(steps, std::move(form), request.generate);
  Console& console = context.console;
  SpanPrinter printer(console, options.show_thinking);
  request.generate.on_think = printer.on_think();
  WEFT_TRY(made, generate(session, prompt, request.generate, printer.on_text()));
  if (console.json_result()) {
    Json json = result_json(prompt, made);
    json["model"] = engine.name;
    json["kv_bytes"] = session.kv_bytes();
    json["numerics"] = to_string(session.numerics());
    json["timing"]["load_s"] = engine.load_seconds;
    console.print_json(json);
  } else {
    console.print("\n");
    char line[160];
    std::snprintf(line, sizeof line, "%zu prompt tokens at %.0f/s, %zu tokens at %.1f/s",
                  made.usage.prompt_tokens, made.timing.prefill_tokens_per_s(made.usage),
                  made.usage.think_tokens + made.usage.answer_tokens,
                  made.timing.decode_tokens_per_s(made.usage));
    if (console.err_is_terminal()) console.note(line);
  }
  return made.finish_reason == inference::FinishReason::kCancelled ? ExitCode::kInterrupted
                                                                   : ExitCode::kDone;
}

}  // namespace

void add_complete(CLI::App& app, Parsed& parsed) {
  auto* verb =
      app.add_subcommand("complete", "Continue a prompt with the model, without retrieval");
  const auto options = std::make_shared<Options>();
  add_text_input(*verb, options->input, "prompt");
  verb->add_option("--system", options->system, "System message of the chat")->type_name("TEXT");
  verb->add_option("--prefill", options->prefill,
                   "How the model's turn begins: it goes on from there")
      ->type_name("TEXT");
  verb->add_flag("--raw", options->raw,
                 "Take the prompt as it stands: no chat template, control tokens are parsed");
  add_batch_option(*verb, options->batch, "Complete", batch_keys());
  verb->add_option("-n,--max-tokens", options->max_tokens, "Most tokens to generate")
      ->capture_default_str()
      ->check(whole_number);
  verb->add_option("-t,--temperature", options->sampling.temperature, "0 is greedy")
      ->capture_default_str();
  verb->add_option("--top-k", options->sampling.top_k, "Sample from the k likeliest; 0 = all")
      ->capture_default_str()
      ->check(whole_number);
  verb->add_option("--top-p", options->sampling.top_p, "Smallest set with this probability")
      ->capture_default_str();
  verb->add_option("--min-p", options->sampling.min_p, "Least share of the likeliest one's")
      ->capture_default_str();
  verb->add_option("--seed", options->sampling.seed, "Seed of the sampler")
      ->capture_default_str()
      ->check(whole_number);
  add_logits_flags(*verb, options->logits);
  add_grammar_flags(*verb, options->grammar);
  add_peer_flags(*verb, options->peers);
  add_adapter_flags(*verb, options->adapters);
  verb->add_option("--stop", options->stop, "End before this text; may be repeated")
      ->type_name("TEXT")
      ->take_all()
      ->allow_extra_args(false);
  add_setting(*verb, parsed, "--think-tokens", "answer.think_tokens");
  add_show_thinking(*verb, options->show_thinking);
  add_setting(*verb, parsed, "-m,--model", "model.name");
  add_setting(*verb, parsed, "--threads", "engine.threads");
  add_setting(*verb, parsed, "--kv", "engine.kv");
  add_setting(*verb, parsed, "--draft", "engine.draft");
  add_setting(*verb, parsed, "--context", "engine.context");
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_complete(context, *options); };
  });
}

}  // namespace weft::cli
