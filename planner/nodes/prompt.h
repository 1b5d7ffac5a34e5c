#pragma once
// A prompt as a node of a graph: texts in, a model's answer out, whichever model that is.

#include <cstddef>
#include <memory>
#include <string>

#include "inference/generate.h"
#include "inference/grammar/automaton.h"
#include "planner/function.h"
#include "planner/policy.h"
#include "planner/prompt_template.h"

namespace weft::planner {

struct Body;

/// A prompt that is made of several texts.
struct PromptNode {
  PromptTemplate prompt;
  std::string system;  // message; empty: none
  /// Without the model's chat template. Control tokens are parsed in the prompt's own words then,
  /// never in what is put in.
  bool is_raw = false;
  std::size_t samples = 1;            // answers to one prompt; engine.h says with which seeds
  std::size_t prompt_tokens_max = 0;  // a longer one fails; 0 = what the context holds
  /// What PromptNodes::hold() holds its answers to, as it was written: part of a trace's key.
  std::string form;
  inference::GenerateOptions options;
};

/// The form that answers have to have.
struct AnswerForm {
  std::shared_ptr<const inference::grammar::Automaton> automaton;  // null: any text
  std::string source;  // what it was read from: "schema TEXT", "grammar TEXT" or "regex TEXT"
};

/// What makes code of prompts. Outlives the runs of it.
class PromptNodes {
 public:
  virtual ~PromptNodes() = default;

  /// Code whose inputs are the texts of node.prompt.names(), in that order, and whose value is the
  /// answer's text or, with more samples than one, the list of them; there it fails if one does.
  /// What the options say of stop tokens and callbacks isn't used. Errors when run: also
  /// kResourceExhausted for a prompt beyond prompt_tokens_max.
  virtual FunctionPtr prompt(PromptNode node) = 0;

  /// Holds the node's answers to a form. Errors: kUnsupported where this model can't be held to it;
  /// those of TokenTrie::of().
  virtual Result<void> hold(PromptNode& node, const AnswerForm& form) = 0;

  /// Says that a program's nodes are going to be called as `body` has it. A model that caches
  /// prompts then keeps those that come soonest; answers don't depend on it. The last body counts.
  /// Errors: those of rendering and encoding a prompt.
  virtual Result<void> follow(const Body& /*body*/) { return {}; }

  /// Where and at what cost at most such a node runs; its prompt has at most prompt_tokens_max.
  virtual Policy policy_of(const PromptNode& node) const = 0;
};

}  // namespace weft::planner
