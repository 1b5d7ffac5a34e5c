#pragma once
// Answers a question from a collection of documents: retrieve passages, fit them into the model's
// context, generate, bind each sentence of the answer to the passages that support it, and abstain
// where the documents don't seem to hold the answer.

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agents/citation.h"
#include "agents/confidence.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "inference/adapter/attached_adapter.h"
#include "inference/generate.h"
#include "inference/model.h"
#include "inference/prefix_cache.h"
#include "retrieval/collection_store.h"
#include "retrieval/document.h"
#include "retrieval/query.h"

namespace weft::agents {

struct AnswerOptions {
  std::string collection = "default";
  std::size_t passages = 3;
  std::size_t max_tokens = 160;
  std::size_t think_tokens_max = 1024;  // and a quarter of the context; of models that think first
  inference::OnText on_think;           // told of what they think
  std::string prefill;                  // how the answer begins: the model goes on from there
  double threshold =
      kConfidenceThreshold;  // abstain below this confidence, 0..1; 0 = always answer
  retrieval::StopWords stop_words = retrieval::StopWords::kDropEnglish;
  inference::SamplingOptions sampling;
  std::size_t draft_tokens_max = 10;            // see inference::GenerateOptions
  std::vector<inference::ChatMessage> history;  // earlier turns, oldest first
  std::stop_token stop;
};

struct Answer {
  std::string text;  // kAbstention if `abstained`
  bool abstained = false;
  double confidence = 0;      // that it is right: confidence.h
  std::string no_confidence;  // why there is none, where `confidence` means nothing
  std::vector<Citation> citations;
  std::vector<retrieval::PassageHit> passages;  // that the model was given
  Evidence evidence;
  std::string thinking;  // before the answer; no part of it
  std::string withheld;  // what the model said, where the agent abstained
  inference::FinishReason finish_reason = inference::FinishReason::kStop;
  inference::Usage usage;
  inference::Timing timing;
  std::size_t kv_bytes = 0;  // of keys and values of prompt and answer
  std::chrono::duration<double> retrieval{};
  std::chrono::duration<double> probe{};  // reading the question without passages, for the gate
  std::chrono::duration<double> first_token{};  // from the question to the first text shown
};

/// Said instead of an answer.
inline constexpr std::string_view kAbstention = "The documents don't seem to answer this.";

/// Errors: kInvalidArgument for an empty question or options out of range.
Result<void> validate(std::string_view question, const AnswerOptions& options);

/// What answers from documents, with a model in this process or a remote one.
class Answerer {
 public:
  virtual ~Answerer() = default;
  virtual Result<Answer> ask(std::string_view question, const AnswerOptions& options = {},
                             const inference::OnText& on_text = {}) = 0;
};

struct AgentOptions {
  std::size_t context_length_max = 8192;
  /// Where passages that were read are found again, by this agent and others of it: see
  /// SessionOptions. Null: the last question's only. The answers are the same.
  inference::PrefixCache* prefixes = nullptr;
  std::shared_ptr<const inference::AttachedAdapter> adapter = {};  // of the model; null: none
  Logger* log = nullptr;         // told of each step; null is silent
  const Clock* clock = nullptr;  // null is the system's
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
  /// range, kNotFound for the collection, those of the store and of generate().
  Result<Answer> ask(std::string_view question, const AnswerOptions& options = {},
                     const inference::OnText& on_text = {}) override;

 private:
  AnsweringAgent(retrieval::CollectionStore& store, inference::Session session,
                 const AgentOptions& options);

  retrieval::CollectionStore* store_;
  inference::Session session_;
  inference::Session alone_;  // reads questions without passages
  AgentOptions options_;
};

}  // namespace weft::agents
