#include "planner/nodes/model.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "base/guard.h"
#include "inference/chat_prompt.h"

namespace weft::planner {
namespace {

using inference::Generation;
using inference::TokenId;

Result<std::vector<TokenId>> as_text(const inference::Model& model, const std::string& text) {
  const inference::Tokenizer& tokenizer = model.tokenizer();
  std::vector<TokenId> ids = tokenizer.encode(text, /*parse_special=*/false);
  const std::optional<TokenId> bos = tokenizer.bos();
  if (tokenizer.adds_bos() && bos) ids.insert(ids.begin(), *bos);
  return ids;
}

Result<std::vector<TokenId>> as_message(const inference::Model& model, const std::string& text) {
  // A template that prints the date prints the same one always: a node's value is its input's
  // alone.
  constexpr std::int64_t kDate = 1'767'225'600;  // 2026-01-01
  return inference::chat_prompt(model, {{"user", text}}, kDate);
}

void finish(Call& call, Result<Generation> made) {
  if (!made) return call.finish(std::move(made).error());
  call.ctx().spend({.prompt_tokens = static_cast<std::int64_t>(made->usage.prompt_tokens),
                    .output_tokens = static_cast<std::int64_t>(made->usage.think_tokens +
                                                               made->usage.answer_tokens),
                    .calls = 1});
  if (made->finish_reason == inference::FinishReason::kCancelled) {
    return call.finish(Error{ErrorCode::kCancelled, "the answer was stopped"});
  }
  call.finish(make_value<std::string>(std::move(made->text)));
}

}  // namespace

ModelNodes::~ModelNodes() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return queued_ == 0; });
}

FunctionPtr ModelNodes::complete(inference::GenerateOptions options) {
  return function(std::move(options), as_text);
}

FunctionPtr ModelNodes::chat(inference::GenerateOptions options) {
  return function(std::move(options), as_message);
}

Policy ModelNodes::policy(std::int64_t prompt_tokens_max,
                          const inference::GenerateOptions& options) {
  return {
      .lane = LaneKind::kModel,
      .cost = {.prompt_tokens = prompt_tokens_max,
               .output_tokens = static_cast<std::int64_t>(inference::generated_tokens_max(options)),
               .calls = 1}};
}

FunctionPtr ModelNodes::function(inference::GenerateOptions options, Encode encode) {
  options.on_token = {};  // of which node it would be, nothing says
  options.on_think = {};
  options.on_scored = {};
  auto made = std::make_shared<Function>();
  made->inputs = {type_of<std::string>()};
  made->output = type_of<std::string>();
  made->start_all = [this, options = std::move(options), encode](Calls calls) {
    inference::Group group;
    Calls members;
    for (auto& call : calls) {
      auto ids = encode(engine_.model(), call->argument(0).as<std::string>());
      if (!ids) {
        call->finish(std::move(ids).error());
        continue;
      }
      inference::Request request{.prompt = *std::move(ids), .options = options};
      request.options.stop_token = call->ctx().stop();
      group.requests.push_back(std::move(request));
      members.push_back(std::move(call));
    }
    if (!members.empty()) submit(std::move(group), std::move(members));
  };
  return made;
}

void ModelNodes::submit(inference::Group group, Calls calls) {
  {
    const std::lock_guard lock(mutex_);
    running_.insert(calls.begin(), calls.end());
  }
  inference::EngineEvents events;
  events.on_end = [this, calls](inference::AnswerId id, Result<Generation> made) {
    if (take(calls[id.request])) finish(*calls[id.request], std::move(made));
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
      submit({.requests = {std::move(group.requests[i])}, .depth = group.depth}, {calls[i]});
    }
  } else if (is_full && !running_.empty()) {
    waiting_.push_back({std::move(group), std::move(calls[0])});  // until others have ended
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
    auto [group, call] = std::move(waiting_.front());
    waiting_.pop_front();
    const std::size_t left = waiting_.size();
    lock.unlock();
    submit(std::move(group), {std::move(call)});
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
