#pragma once
// Answers a question from a collection of documents: retrieve passages, fit them into the model's
// context, generate, bind each sentence of the answer to the passages that support it, and abstain
// where the documents don't seem to hold the answer. Runs the graph of agents/answer_graph.h, on
// the caller's thread.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "agents/answer.h"
#include "agents/local_answer_model.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "inference/adapter/attached_adapter.h"
#include "inference/model.h"
#include "inference/prefix_cache.h"
#include "retrieval/collection_store.h"

namespace weft::agents {

struct AgentOptions {
  std::size_t context_length_max = 8192;
  /// Where passages that were read are found again, by this agent and others of it: see
  /// SessionOptions. Null: the last question's only. The answers are the same.
  inference::PrefixCache* prefixes = nullptr;
  std::shared_ptr<const inference::AttachedAdapter> adapter = {};  // of the model; null: none
  Logger* log = nullptr;         // told of each step; null is silent
  const Clock* clock = nullptr;  // null is the system's
  std::string model_name = {};   // the model's, for people who read traces
};

/// Needs itself alone; several, on threads of their own, may share a model and a prefix cache.
class AnsweringAgent final : public Answerer {
 public:
  /// `store` is borrowed and outlives the agent. Errors: those of Session::open.
  static Result<AnsweringAgent> open(retrieval::CollectionStore& store,
                                     std::shared_ptr<const inference::Model> model,
                                     const AgentOptions& options = {});

  /// Text goes to `on_text` as it becomes certain: the first tokens are held back until the agent
  /// has decided not to abstain (none with a threshold of 0). Cancelling returns what there is,
  /// with its finish reason. Errors: kInvalidArgument for an empty question or options out of
  /// range, kNotFound for the collection, those of the store and of generate(); with a trace, what
  /// keeps the run from being recorded.
  Result<Answer> ask(std::string_view question, const AnswerOptions& options = {},
                     const inference::OnText& on_text = {}) override;

 private:
  AnsweringAgent(retrieval::CollectionStore& store, LocalAnswerModel model,
                 const AgentOptions& options)
      : store_(&store), model_(std::move(model)), log_(options.log), clock_(options.clock) {}

  retrieval::CollectionStore* store_;
  LocalAnswerModel model_;
  Logger* log_;
  const Clock* clock_;
};

}  // namespace weft::agents
