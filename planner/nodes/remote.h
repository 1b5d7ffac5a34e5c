#pragma once
// A remote model as nodes of a graph. They wait on the I/O lane, side by side.

#include <string>
#include <utility>

#include "inference/remote/remote_model.h"
#include "planner/nodes/prompt.h"
#include "planner/price.h"

namespace weft::planner {

class RemoteNodes final : public PromptNodes {
 public:
  /// Borrows the model, which outlives the runs. `name` is for people who read traces; `price` is
  /// what its tokens cost.
  RemoteNodes(const inference::RemoteModel& model, std::string name, const Price& price = {})
      : model_(model), name_(std::move(name)), price_(price) {}

  /// Each sample is a request of its own, with the next seed. Only the server can count a prompt's
  /// tokens: one beyond prompt_tokens_max fails after it was read, and is paid for. Where the
  /// server counts nothing, all that was set aside counts as spent. A server parses control tokens
  /// in what is put into a raw prompt, so such a node is refused when run. Errors when run: those
  /// of RemoteModel and remote_settings(); kUnsupported for a raw prompt with inputs; kCancelled.
  FunctionPtr prompt(PromptNode node) override;
  /// By the server: a JSON Schema alone, of a chat. Errors: kUnsupported else.
  Result<void> hold(PromptNode& node, const AnswerForm& form) override;
  Policy policy_of(const PromptNode& node) const override;

 private:
  const inference::RemoteModel& model_;
  const std::string name_;
  const Price price_;
};

}  // namespace weft::planner
