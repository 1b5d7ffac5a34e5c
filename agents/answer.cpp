#include "agents/answer.h"

#include "inference/sampler.h"

namespace weft::agents {

Result<void> validate(std::string_view question, const AnswerOptions& options) {
  if (question.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Error{ErrorCode::kInvalidArgument, "the question is empty"};
  }
  if (options.passages == 0 || options.max_tokens == 0) {
    return Error{ErrorCode::kInvalidArgument, "passages and max_tokens must be at least 1"};
  }
  if (!(options.threshold >= 0 && options.threshold <= 1)) {
    return Error{ErrorCode::kInvalidArgument, "the threshold must be within 0..1"};
  }
  return inference::validate(options.sampling);
}

}  // namespace weft::agents
