#include "inference/chat_prompt.h"

#include <string>

namespace weft::inference {

Result<std::vector<TextSpan>> chat_spans(const Model& model,
                                         const std::vector<ChatMessage>& messages,
                                         std::int64_t unix_time_s, std::string_view prefill) {
  const Tokenizer& tokenizer = model.tokenizer();
  const auto text_of = [&](std::optional<TokenId> id) {
    return id ? std::string(tokenizer.piece(*id, true)) : std::string();
  };
  ChatTemplateOptions options;
  options.bos_token = text_of(tokenizer.bos());
  options.eos_token = text_of(tokenizer.eos());
  options.unix_time_s = unix_time_s;
  WEFT_TRY(spans, model.chat_template().render(messages, options));
  if (!prefill.empty()) spans.push_back({std::string(prefill), false});
  return spans;
}

Result<std::vector<TokenId>> chat_prompt(const Model& model,
                                         const std::vector<ChatMessage>& messages,
                                         std::int64_t unix_time_s, std::string_view prefill) {
  WEFT_TRY(spans, chat_spans(model, messages, unix_time_s, prefill));
  return model.tokenizer().encode(spans);
}

}  // namespace weft::inference
