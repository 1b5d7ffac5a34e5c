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
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/lanes.h"
#include "inference/engine.h"
#include "inference/grammar/token_trie.h"
#include "planner/function.h"
#include "planner/policy.h"
#include "planner/prompt_template.h"

namespace weft::planner {

/// A prompt that is made of several texts.
struct PromptNode {
  PromptTemplate prompt;
  std::string system;  // message; empty: none
  /// Without the model's chat template. Control tokens are parsed in the prompt's own words then,
  /// never in what is put in.
  bool is_raw = false;
  std::size_t samples = 1;            // answers to one prompt; engine.h says with which seeds
  std::size_t prompt_tokens_max = 0;  // a longer one fails; 0 = what the context holds
  /// What options.logits hold its answers to, as it was written: a trace's key knows it by this.
  std::string form;
  inference::GenerateOptions options;
};

/// Borrows the engine and the model lane, of the executor that runs the graph; both outlive it, and
/// it outlives the runs. Nothing else steps the engine meanwhile.
class ModelNodes {
 public:
  /// `name` is the model's, for people who read traces.
  ModelNodes(inference::Engine& engine, Lane& lane, std::string name = "")
      : engine_(engine), lane_(lane), name_(std::move(name)) {}
  /// Waits for the steps that are queued.
  ~ModelNodes();
  ModelNodes(const ModelNodes&) = delete;
  ModelNodes& operator=(const ModelNodes&) = delete;

  /// Code for Graph::call(): a prompt's text to its continuation's. The text is read as it stands;
  /// nothing in it becomes a control token. What `options` says of stop tokens and callbacks isn't
  /// used: a node ends with its run. Reports its prompt tokens (cached ones too), its output tokens
  /// (thoughts included) and a call as spent. Waits where the engine's queue is full. Errors: those
  /// of Engine::submit() and of the answer; kCancelled; kInternal if a step throws.
  FunctionPtr complete(inference::GenerateOptions options);
  /// The same, the text being a user's message and the result the assistant's, in the model's
  /// template.
  FunctionPtr chat(inference::GenerateOptions options);

  /// Code whose inputs are the texts of node.prompt.names(), in that order, and whose value is the
  /// answer's text or, with more samples than one, the list of them; there it fails if one does.
  /// Errors: also kResourceExhausted for a prompt beyond prompt_tokens_max.
  FunctionPtr prompt(PromptNode node);

  /// The vocabulary's, for answers that follow a grammar; made when first asked for. Errors: those
  /// of TokenTrie::of().
  Result<std::shared_ptr<const inference::grammar::TokenTrie>> trie();

  /// A policy that sets aside what one such node can spend at most, given its longest prompt.
  static Policy policy(std::int64_t prompt_tokens_max, const inference::GenerateOptions& options,
                       std::size_t samples = 1);

 private:
  using Calls = std::vector<std::shared_ptr<Call>>;
  using Encode =
      std::function<Result<std::vector<inference::TokenId>>(const inference::Model&, const Call&)>;
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
  };

  void submit(inference::Group group, Calls calls);
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
};

}  // namespace weft::planner
