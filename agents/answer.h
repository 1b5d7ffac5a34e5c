#pragma once
// A question answered from a collection of documents: what is asked for, and what comes of it.

#include <chrono>
#include <cstddef>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "agents/citation.h"
#include "agents/confidence.h"
#include "base/result.h"
#include "inference/chat_template.h"
#include "inference/generate.h"
#include "retrieval/document.h"
#include "retrieval/query.h"

namespace weft::planner {
class Trace;
}

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
  planner::Trace* trace = nullptr;  // records the run; outlives it
  /// Sources that `history` was made from: forgetting one reaches the recorded run.
  std::set<std::string> history_sources;
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
  std::string run;                              // its id in the trace; empty without one
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

}  // namespace weft::agents
