#pragma once
// The engine as nodes of a graph: text in, text out. Those that are ready together are submitted as
// one group, so that siblings read a common beginning once and decode side by side; put what is
// common first in their prompts.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/lanes.h"
#include "inference/engine.h"
#include "inference/grammar/token_trie.h"
#include "planner/body.h"
#include "planner/function.h"
#include "planner/nodes/prompt.h"

namespace weft::planner {

/// Borrows the engine and the model lane, of the executor that runs the graph; both outlive it, and
/// it outlives the runs. Nothing else steps the engine meanwhile.
class ModelNodes final : public PromptNodes {
 public:
  /// `name` is the model's, for people who read traces.
  ModelNodes(inference::Engine& engine, Lane& lane, std::string name = "")
      : engine_(engine), lane_(lane), name_(std::move(name)) {}
  /// Waits for the steps that are queued.
  ~ModelNodes() override;
  ModelNodes(const ModelNodes&) = delete;
  ModelNodes& operator=(const ModelNodes&) = delete;

  /// Code for Graph::call(): a prompt's text to its continuation's. The text is read as it stands;
  /// nothing in it becomes a control token. What `options` says of stop tokens and callbacks isn't
  /// used: a node ends with its run. Reports its prompt tokens and which of them were cached, its
  /// output tokens (thoughts included) and a call as spent. Waits where the engine's queue is full.
  /// Errors: those of Engine::submit() and of the answer; kCancelled; kInternal if a step throws.
  FunctionPtr complete(inference::GenerateOptions options);
  /// The same, the text being a user's message and the result the assistant's, in the model's
  /// template.
  FunctionPtr chat(inference::GenerateOptions options);

  FunctionPtr prompt(PromptNode node) override;
  Result<void> hold(PromptNode& node, const AnswerForm& form) override;
  Policy policy_of(const PromptNode& node) const override {
    return policy(static_cast<std::int64_t>(node.prompt_tokens_max), node.options, node.samples);
  }

  /// The end of each call then tells the engine's cache in how many calls the fixed beginnings of
  /// the nodes' prompts come: next_use.h.
  Result<void> follow(const Body& body) override;

  /// The vocabulary's, for answers that follow a grammar; made when first asked for. Errors: those
  /// of TokenTrie::of().
  Result<std::shared_ptr<const inference::grammar::TokenTrie>> trie();

  /// A policy that sets aside what one such node can spend at most, given its longest prompt.
  static Policy policy(std::int64_t prompt_tokens_max, const inference::GenerateOptions& options,
                       std::size_t samples = 1);

 private:
  using Calls = std::vector<std::shared_ptr<Call>>;
  using Encode =
      std::function<Result<std::vector<inference::TokenId>>(const inference::Model&, Arguments)>;
  struct Plan {  // of a function
    inference::GenerateOptions options;
    std::size_t inputs = 1;
    std::size_t samples = 1;
    Encode encode;
    std::string fingerprint;
    std::string operation;  // OpenTelemetry's name of it
  };

  FunctionPtr function(Plan plan);
  struct Waiting {
    inference::Group group;  // of one request
    std::shared_ptr<Call> call;
    const Function* code;
  };

  /// A prompt's beginning, and in how many calls it comes.
  struct Coming {
    std::shared_ptr<const std::vector<inference::TokenId>> beginning;
    std::uint64_t calls = 0;
  };
  void tell_cache();

  void submit(inference::Group group, Calls calls, const Function* code);
  void submit_waiting();
  bool take(const std::shared_ptr<Call>& call);
  void fail_all(const Error& error);
  void step_later();
  bool step_once();
  void step();

  inference::Engine& engine_;
  Lane& lane_;
  const std::string name_;
  std::atomic<bool> stepping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  int queued_ = 0;                                     // chains of steps on the lane
  std::unordered_set<std::shared_ptr<Call>> running_;  // submitted and not ended
  std::deque<Waiting> waiting_;
  std::shared_ptr<const inference::grammar::TokenTrie> trie_;
  std::unordered_map<const Function*, std::vector<Coming>> coming_;  // once each has ended
  std::vector<Coming> untold_;                                       // before the next step
};

}  // namespace weft::planner
