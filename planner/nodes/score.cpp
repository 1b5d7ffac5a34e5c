#include "planner/nodes/score.h"

#include <string>
#include <utility>
#include <vector>

#include "inference/session.h"

namespace weft::planner {
namespace {

using Ids = std::vector<inference::TokenId>;
using Text = std::string;
using Texts = std::vector<Text>;

Result<std::vector<Ids>> encode(const inference::Tokenizer& tokenizer, const Texts& texts) {
  std::vector<Ids> encoded;
  for (const Text& text : texts) {
    encoded.push_back(tokenizer.encode(text, /*parse_special=*/false));
    if (!encoded.back().empty()) continue;
    return Error{ErrorCode::kInvalidArgument, "continuation " + std::to_string(encoded.size()) +
                                                  " of " + std::to_string(texts.size()) +
                                                  " is empty"};
  }
  return encoded;
}

Result<std::vector<double>> score(Ctx& ctx, const std::shared_ptr<const inference::Model>& model,
                                  const ScoreOptions& options, const Text& text,
                                  const Texts& texts) {
  const inference::Tokenizer& tokenizer = model->tokenizer();
  WEFT_TRY(continuations, encode(tokenizer, texts));
  Ids prompt = tokenizer.encode(text, /*parse_special=*/false);
  if (const auto bos = tokenizer.bos(); tokenizer.adds_bos() && bos) {
    prompt.insert(prompt.begin(), *bos);
  }
  if (prompt.size() > options.prompt_tokens_max) {
    return Error{ErrorCode::kResourceExhausted, "the text has " + std::to_string(prompt.size()) +
                                                    " tokens, but the node's limit is " +
                                                    std::to_string(options.prompt_tokens_max)};
  }
  WEFT_TRY(session, inference::Session::open(model));
  WEFT_TRY_VOID(session.append(prompt, ctx.stop()));
  WEFT_TRY(scores, session.score(continuations, ctx.stop()));
  Spend spent{.prompt_tokens = static_cast<std::int64_t>(prompt.size()), .calls = 1};
  std::vector<double> numbers;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    const auto tokens = continuations[i].size();
    spent.prompt_tokens += static_cast<std::int64_t>(tokens);
    const double sum = scores[i].sum_log_probability;
    numbers.push_back(options.is_mean ? sum / static_cast<double>(tokens) : sum);
  }
  ctx.spend(spent);
  return numbers;
}

}  // namespace

FunctionPtr score_function(std::shared_ptr<const inference::Model> model,
                           const ScoreOptions& options) {
  auto known = to_string(model->numerics()) + (options.is_mean ? "; mean" : "; sum");
  auto made = std::make_shared<Function>(*make_function<Text, Texts>(
      [model = std::move(model), options](Ctx& ctx, const Text& text, const Texts& texts) {
        return score(ctx, model, options, text, texts);
      }));
  made->fingerprint = std::move(known);
  return made;
}

Policy score_policy(const ScoreOptions& options) {
  return {
      .lane = LaneKind::kModel,
      .cost = {.prompt_tokens = static_cast<std::int64_t>(options.prompt_tokens_max), .calls = 1}};
}

}  // namespace weft::planner
