#include "planner/nodes/model.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "base/guard.h"
#include "inference/chat_prompt.h"
#include "inference/grammar/constraint.h"
#include "planner/next_use.h"

namespace weft::planner {
namespace {

using inference::Generation;
using inference::TokenId;

// A template that prints the date prints the same one always: a node's value is its inputs' alone.
constexpr std::int64_t kDate = 1'767'225'600;  // 2026-01-01

using Ids = std::vector<TokenId>;

Ids with_bos(const inference::Tokenizer& tokenizer, Ids ids) {
  const std::optional<TokenId> bos = tokenizer.bos();
  if (tokenizer.adds_bos() && bos && (ids.empty() || ids.front() != *bos)) {
    ids.insert(ids.begin(), *bos);
  }
  return ids;
}

Result<Ids> as_text(const inference::Model& model, Arguments in) {
  const inference::Tokenizer& tokenizer = model.tokenizer();
  const auto& text = in[0]->as<std::string>();
  return with_bos(tokenizer, tokenizer.encode(text, /*parse_special=*/false));
}

Result<Ids> as_message(const inference::Model& model, Arguments in) {
  return inference::chat_prompt(model, {{"user", in[0]->as<std::string>()}}, kDate);
}

Result<Ids> as_prompt(const PromptNode& node, const inference::Model& model, Arguments in) {
  std::vector<std::string_view> texts;
  for (std::size_t i = 0; i < node.prompt.names().size(); ++i) {
    texts.push_back(in[i]->as<std::string>());
  }
  WEFT_TRY(prompt, node.prompt.render_in_order(texts));
  Ids ids;
  if (node.is_raw) {
    std::vector<inference::TextSpan> spans;
    for (const Prompt::Span& span : prompt.spans) {
      spans.push_back({prompt.text.substr(span.begin, span.end - span.begin), span.input.empty()});
    }
    ids = with_bos(model.tokenizer(), model.tokenizer().encode(spans));
  } else {
    std::vector<inference::ChatMessage> messages;
    if (!node.system.empty()) messages.push_back({"system", node.system});
    messages.push_back({"user", std::move(prompt.text)});
    WEFT_TRY(made, inference::chat_prompt(model, messages, kDate));
    ids = std::move(made);
  }
  if (node.prompt_tokens_max != 0 && ids.size() > node.prompt_tokens_max) {
    return Error{ErrorCode::kResourceExhausted,
                 "the prompt has " + std::to_string(ids.size()) +
                     " tokens, but the node's limit is " + std::to_string(node.prompt_tokens_max) +
                     ": raise prompt_tokens_max, or give it less text"};
  }
  return ids;
}

/// All that decides the answer to a given prompt. Processors of logits are code: they change with
/// the policy's version.
std::string describe(const inference::Model& model, const inference::GenerateOptions& options) {
  const inference::SamplingOptions& sampling = options.sampling;
  std::string text = to_string(model.numerics());
  const auto add = [&](const char* name, const auto& value) {
    text += std::string("; ") + name + " " + std::to_string(value);
  };
  add("max_tokens", options.max_tokens);
  add("temperature", sampling.temperature);
  add("top_k", sampling.top_k);
  add("top_p", sampling.top_p);
  add("min_p", sampling.min_p);
  add("seed", sampling.seed);
  add("ignore_end", static_cast<int>(options.ignore_end_tokens));
  if (options.think) add("think", options.think->tokens_max);
  for (const std::string& stop : options.stop) {
    add("stop", stop.size());
    text += ' ' + stop;
  }
  return text;
}

/// What all prompts of a node begin with: that of two whose inputs have nothing in common.
Result<Ids> common_beginning(const Function& code) {
  const auto prompt = [&](const char* filler) {
    const std::vector<Value> values(code.inputs.size(), make_value(std::string(filler)));
    std::vector<const Value*> arguments;
    for (const Value& value : values) arguments.push_back(&value);
    return code.prompt(arguments);
  };
  WEFT_TRY(first, prompt("x"));
  WEFT_TRY(second, prompt("7"));
  const auto end = std::ranges::mismatch(first, second).in1;
  return Ids(first.begin(), end);
}

void finish(Call& call, std::vector<Result<Generation>> answers) {
  Spend spent{.calls = 1};
  std::vector<std::string> texts;
  std::optional<Error> error;
  for (Result<Generation>& made : answers) {
    if (!made) {
      if (!error) error = made.error();
      continue;
    }
    // A prompt is read once, however many answers it has: what was cached before is known from the
    // answer that found the least.
    const auto cached = static_cast<std::int64_t>(made->usage.cached_tokens);
    spent.cached_tokens = texts.empty() ? cached : std::min(spent.cached_tokens, cached);
    spent.prompt_tokens = static_cast<std::int64_t>(made->usage.prompt_tokens);
    spent.output_tokens +=
        static_cast<std::int64_t>(made->usage.think_tokens + made->usage.answer_tokens);
    if (made->finish_reason == inference::FinishReason::kCancelled && !error) {
      error = Error{ErrorCode::kCancelled, "the answer was stopped"};
    }
    texts.push_back(std::move(made->text));
  }
  if (texts.empty()) return call.finish(*error);
  call.ctx().spend(spent);
  if (error) return call.finish(*error);
  if (answers.size() > 1) return call.finish(make_value(std::move(texts)));
  call.finish(make_value(std::move(texts[0])));
}

}  // namespace

ModelNodes::~ModelNodes() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return queued_ == 0; });
}

FunctionPtr ModelNodes::complete(inference::GenerateOptions options) {
  return function({.options = std::move(options),
                   .encode = as_text,
                   .fingerprint = "text",
                   .operation = "text_completion"});
}

FunctionPtr ModelNodes::chat(inference::GenerateOptions options) {
  return function({.options = std::move(options),
                   .encode = as_message,
                   .fingerprint = "chat",
                   .operation = "chat"});
}

FunctionPtr ModelNodes::prompt(PromptNode node) {
  Plan plan{.options = node.options,
            .inputs = node.prompt.names().size(),
            .samples = std::max<std::size_t>(1, node.samples),
            .operation = node.is_raw ? "text_completion" : "chat"};
  plan.fingerprint = (node.is_raw ? "raw; samples " : "prompt; samples ") +
                     std::to_string(plan.samples) + "; system " +
                     std::to_string(node.system.size()) + ' ' + node.system + "; template " +
                     node.prompt.source();
  if (!node.form.empty()) plan.fingerprint += "; form " + node.form;
  plan.encode = [node = std::move(node)](const inference::Model& model, Arguments in) {
    return as_prompt(node, model, in);
  };
  return function(std::move(plan));
}

Result<std::shared_ptr<const inference::grammar::TokenTrie>> ModelNodes::trie() {
  const std::lock_guard lock(mutex_);
  if (trie_ == nullptr) {
    WEFT_TRY(made, inference::grammar::TokenTrie::of(engine_.model().tokenizer()));
    trie_ = std::move(made);
  }
  return trie_;
}

Result<void> ModelNodes::hold(PromptNode& node, const AnswerForm& form) {
  WEFT_TRY(vocabulary, trie());
  // Last: what the other steps make likelier must still fit.
  node.options.logits.emplace_back(
      inference::grammar::constrain(form.automaton, vocabulary, {node.options.think}));
  node.form = form.source;
  return {};
}

Result<void> ModelNodes::follow(const Body& body) {
  const std::vector<ModelCall> calls = model_calls(body);
  std::unordered_map<const Function*, std::shared_ptr<const Ids>> beginnings;
  for (const ModelCall& call : calls) {
    if (!call.code->prompt || beginnings.contains(call.code)) continue;
    WEFT_TRY(ids, common_beginning(*call.code));
    beginnings.emplace(call.code, std::make_shared<const Ids>(std::move(ids)));
  }
  std::unordered_map<const Function*, std::vector<Coming>> coming;
  for (const ModelCall& from : calls) {
    std::vector<Coming>& after = coming[from.code];
    for (const ModelCall& to : calls) {
      const auto beginning = beginnings.find(to.code);
      const auto distance = calls_until(from, to);
      if (distance && beginning != beginnings.end())
        after.push_back({beginning->second, *distance});
    }
  }
  const std::lock_guard lock(mutex_);
  coming_ = std::move(coming);
  untold_.clear();
  return {};
}

/// Between steps.
void ModelNodes::tell_cache() {
  std::vector<Coming> untold;
  {
    const std::lock_guard lock(mutex_);
    untold.swap(untold_);
  }
  for (const Coming& each : untold) engine_.expect(*each.beginning, each.calls);
}

Policy ModelNodes::policy(std::int64_t prompt_tokens_max, const inference::GenerateOptions& options,
                          std::size_t samples) {
  return {.lane = LaneKind::kModel,
          .cost = {.prompt_tokens = prompt_tokens_max,
                   .output_tokens = static_cast<std::int64_t>(
                       samples * inference::generated_tokens_max(options)),
                   .calls = 1}};
}

FunctionPtr ModelNodes::function(Plan plan) {
  plan.options.on_token = {};  // of which node it would be, nothing says
  plan.options.on_think = {};
  plan.options.on_scored = {};
  auto made = std::make_shared<Function>();
  made->inputs.assign(plan.inputs, type_of<std::string>());
  made->output = plan.samples > 1 ? type_of<std::vector<std::string>>() : type_of<std::string>();
  made->fingerprint = describe(engine_.model(), plan.options) + "; " + plan.fingerprint;
  made->label = plan.operation + (name_.empty() ? "" : " " + name_);
  made->prompt = [this, encode = plan.encode](Arguments in) { return encode(engine_.model(), in); };
  made->start_all = [this, plan = std::move(plan), self = made.get()](Calls calls) {
    inference::Group group;
    Calls members;
    std::vector<const Value*> arguments;
    for (auto& call : calls) {
      arguments.clear();
      for (std::size_t i = 0; i < plan.inputs; ++i) arguments.push_back(&call->argument(i));
      auto ids = plan.encode(engine_.model(), arguments);
      if (!ids) {
        call->finish(std::move(ids).error());
        continue;
      }
      inference::Request request{
          .prompt = *std::move(ids), .options = plan.options, .samples = plan.samples};
      request.options.stop_token = call->ctx().stop();
      std::uint64_t& seed = request.options.sampling.seed;
      seed = call->ctx().seed(seed);
      group.requests.push_back(std::move(request));
      members.push_back(std::move(call));
    }
    if (!members.empty()) submit(std::move(group), std::move(members), self);
  };
  return made;
}

void ModelNodes::submit(inference::Group group, Calls calls, const Function* code) {
  {
    const std::lock_guard lock(mutex_);
    running_.insert(calls.begin(), calls.end());
  }
  // The samples of each call, told from step() alone: one thread at a time.
  struct Answers {
    std::vector<Result<Generation>> made;
    std::size_t left = 0;
  };
  const auto answers = std::make_shared<std::vector<Answers>>();
  for (const inference::Request& request : group.requests) {
    answers->push_back(
        {{request.samples, Error{ErrorCode::kInternal, "no answer"}}, request.samples});
  }
  inference::EngineEvents events;
  events.on_end = [this, calls, answers, code](inference::AnswerId id, Result<Generation> made) {
    Answers& mine = (*answers)[id.request];
    mine.made[id.sample] = std::move(made);
    if (--mine.left > 0) return;
    {
      const std::lock_guard lock(mutex_);
      if (const auto found = coming_.find(code); found != coming_.end()) untold_ = found->second;
    }
    if (take(calls[id.request])) finish(*calls[id.request], std::move(mine.made));
  };
  const auto submitted = engine_.submit(group, std::move(events));
  if (submitted) return step_later();
  const bool is_full = submitted.error().code == ErrorCode::kResourceExhausted;
  std::unique_lock lock(mutex_);
  for (const auto& call : calls) running_.erase(call);
  if (calls.size() > 1) {
    lock.unlock();
    // A group is refused whole; one by one, only those that are at fault fail.
    for (std::size_t i = 0; i < calls.size(); ++i) {
      submit({.requests = {std::move(group.requests[i])}, .depth = group.depth}, {calls[i]}, code);
    }
  } else if (is_full && !running_.empty()) {
    waiting_.push_back({std::move(group), std::move(calls[0]), code});  // until others have ended
  } else {
    lock.unlock();
    calls[0]->finish(submitted.error());
  }
}

/// Whether the call was still to be finished, which is then the caller's to do.
bool ModelNodes::take(const std::shared_ptr<Call>& call) {
  const std::lock_guard lock(mutex_);
  return running_.erase(call) != 0;
}

/// Submits what the engine's queue had no place for, as far as it has one now.
void ModelNodes::submit_waiting() {
  for (;;) {
    std::unique_lock lock(mutex_);
    if (waiting_.empty()) return;
    auto [group, call, code] = std::move(waiting_.front());
    waiting_.pop_front();
    const std::size_t left = waiting_.size();
    lock.unlock();
    submit(std::move(group), {std::move(call)}, code);
    lock.lock();
    if (waiting_.size() <= left) continue;
    // Refused again: back to its place.
    std::rotate(waiting_.begin(), std::prev(waiting_.end()), waiting_.end());
    return;
  }
}

/// Ends all calls with `error`: nothing will step for them.
void ModelNodes::fail_all(const Error& error) {
  std::unordered_set<std::shared_ptr<Call>> calls;
  {
    const std::lock_guard lock(mutex_);
    calls.swap(running_);
    for (Waiting& waiting : waiting_) calls.insert(std::move(waiting.call));
    waiting_.clear();
  }
  for (const auto& call : calls) call->finish(error);
}

void ModelNodes::step_later() {
  if (stepping_.exchange(true)) return;
  {
    const std::lock_guard lock(mutex_);
    ++queued_;
  }
  if (lane_.post([this] { step(); })) return;
  stepping_ = false;
  fail_all({ErrorCode::kResourceExhausted, "the model lane takes no more work"});
  const std::lock_guard lock(mutex_);
  --queued_;
  wake_.notify_all();
}

/// Engine::step(), and what waits for a place in its queue. What it throws ends all calls.
bool ModelNodes::step_once() {
  tell_cache();
  const auto stepped = guarded([this] { return engine_.step(); });
  if (!stepped) fail_all(stepped.error());
  submit_waiting();
  return stepped && *stepped;
}

// One step a task, so that nodes that become ready meanwhile are submitted before the next.
void ModelNodes::step() {
  while (true) {
    if (step_once()) {
      if (lane_.post([this] { step(); })) return;
      continue;  // the lane is full or closing, but what was begun is finished
    }
    stepping_ = false;
    // What was submitted since the last step saw stepping_ and left it to us.
    if (!step_once() || stepping_.exchange(true)) break;
  }
  const std::lock_guard lock(mutex_);  // held while notifying: the destructor waits for it
  --queued_;
  wake_.notify_all();
}

}  // namespace weft::planner
