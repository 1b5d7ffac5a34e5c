// `weft ask`: a question answered from a collection, with citations.

#include <CLI/CLI.hpp>
#include <deque>
#include <nlohmann/json.hpp>

#include "agents/answer_graph.h"
#include "agents/remote_answering_agent.h"
#include "cli/adapter_flags.h"
#include "cli/answer_output.h"
#include "cli/batch.h"
#include "cli/collections.h"
#include "cli/span_printer.h"
#include "cli/traces.h"
#include "cli/verbs.h"

namespace weft::cli {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<std::string> kBatchKeys = {"question", "prefill", "id"};

struct Options {
  std::string question;
  std::string batch;
  std::string prefill;
  bool show_thinking = false;
  bool mermaid = false;
  bool dot = false;
  AdapterFlags adapters;
  RecordFlags recording;
};

using AskLine = std::function<Result<Json>(agents::Answerer& agent, const BatchLine& line)>;

/// Several lines are with the server at once, each for an agent that reads the store for itself.
Result<ExitCode> ask_lines_remotely(Context& context, const std::string& file, const Remote& remote,
                                    const AskLine& ask) {
  std::vector<retrieval::CollectionStore> stores;
  for (std::size_t i = 0; i < remote.parallel; ++i) {
    WEFT_TRY(store, open_store(context));
    stores.push_back(std::move(store));
  }
  std::deque<agents::RemoteAnsweringAgent> agents;  // which can't be moved
  const agents::RemoteAgentOptions agent_options{.model_name = remote.name, .price = remote.price};
  for (auto& store : stores) agents.emplace_back(store, *remote.model, agent_options);
  return run_batch_side_by_side(
      context, file, kBatchKeys, agents.size(),
      [&](std::size_t thread, const BatchLine& line) { return ask(agents[thread], line); });
}

Result<ExitCode> run_ask(Context& context, const Options& options) {
  if (options.mermaid || options.dot) {
    WEFT_TRY(program, agents::answer_program());
    context.console.print(options.mermaid ? program.mermaid() : program.dot());
    return ExitCode::kDone;
  }
  if (options.question.empty() == options.batch.empty()) {
    return Error{ErrorCode::kInvalidArgument, "give either QUESTION or --batch FILE"};
  }
  if (!options.prefill.empty() && remote_name(context.config)) {
    return remote_cannot(context, "--prefill", inference::Capability::kPrefill);
  }
  WEFT_TRY(store, open_store(context));
  WEFT_TRY(answering, open_answering(context, store, options.show_thinking, options.adapters));
  WEFT_TRY(trace, open_recording(context, options.recording));
  auto asked = answer_options(context);
  asked.trace = trace.get();
  asked.prefill = options.prefill;
  if (!options.batch.empty()) {
    const auto ask = [&](agents::Answerer& agent, const BatchLine& line) -> Result<Json> {
      WEFT_TRY(question, line.string("question"));
      auto wanted = asked;
      if (line.has("prefill")) {
        WEFT_TRY(prefill, line.string("prefill"));
        wanted.prefill = std::move(prefill);
      }
      WEFT_TRY(answer, agent.ask(question, wanted));
      if (answer.finish_reason == inference::FinishReason::kCancelled) {
        return Error{ErrorCode::kCancelled, "interrupted"};
      }
      return answer_json(answer, answering.engine);
    };
    if (answering.remote) {
      return ask_lines_remotely(context, options.batch, *answering.remote, ask);
    }
    return run_batch(context, options.batch, kBatchKeys,
                     [&](const BatchLine& line) { return ask(*answering.agent, line); });
  }
  Console& console = context.console;
  SpanPrinter printer(console, options.show_thinking);
  asked.on_think = printer.on_think();
  WEFT_TRY(answer, answering.agent->ask(options.question, asked, printer.on_text()));
  if (console.json_result()) {
    console.print_json(answer_json(answer, answering.engine));
  } else {
    console.print(answer_text(answer, console));
    note_recorded(answer, console);
  }
  return answer.finish_reason == inference::FinishReason::kCancelled ? ExitCode::kInterrupted
                                                                     : ExitCode::kDone;
}

}  // namespace

void add_answer_settings(CLI::App& verb, Parsed& parsed) {
  add_setting(verb, parsed, "-c,--collection", "retrieval.collection");
  add_setting(verb, parsed, "-k,--passages", "retrieval.passages");
  add_setting(verb, parsed, "-n,--max-tokens", "answer.max_tokens");
  add_setting(verb, parsed, "--think-tokens", "answer.think_tokens");
  add_setting(verb, parsed, "--threshold", "answer.threshold");
  add_setting(verb, parsed, "--stop-words", "retrieval.stop_words");
  add_setting(verb, parsed, "-m,--model", "model.name");
  add_setting(verb, parsed, "--threads", "engine.threads");
  add_setting(verb, parsed, "--kv", "engine.kv");
  add_setting(verb, parsed, "--prefix-cache", "engine.prefix_cache_mb");
  add_setting(verb, parsed, "--draft", "engine.draft");
  add_setting(verb, parsed, "--context", "engine.context");
}

void add_ask(CLI::App& app, Parsed& parsed) {
  auto* verb = app.add_subcommand("ask", "Answer a question from the documents, with citations");
  const auto options = std::make_shared<Options>();
  verb->add_option("question", options->question, "The question")->type_name("QUESTION");
  add_batch_option(*verb, options->batch, "Answer", kBatchKeys);
  verb->add_option("--prefill", options->prefill, "How the answer begins: the model goes on")
      ->type_name("TEXT");
  add_show_thinking(*verb, options->show_thinking);
  add_adapter_flags(*verb, options->adapters);
  add_record_flags(*verb, options->recording);
  verb->add_flag("--mermaid", options->mermaid,
                 "Print how questions are answered as a Mermaid flowchart");
  verb->add_flag("--dot", options->dot, "Print it as a Graphviz digraph");
  add_answer_settings(*verb, parsed);
  verb->callback([&parsed, options] {
    parsed.action = [options](Context& context) { return run_ask(context, *options); };
  });
}

}  // namespace weft::cli
