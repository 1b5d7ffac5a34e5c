#include "inference/remote/chat_types.h"

#include <array>
#include <variant>

namespace weft::inference {
namespace {

Error cannot(std::string_view what) {
  return {ErrorCode::kUnsupported, "a remote model can't do this: " + std::string(what)};
}

}  // namespace

std::string_view to_string(RemoteFinish finish) noexcept {
  static constexpr std::array<std::string_view, 5> kNames = {"stop", "length", "tool_calls",
                                                             "content_filter", "cancelled"};
  return kNames[static_cast<std::size_t>(finish)];
}

Result<RemoteSettings> remote_settings(const GenerateOptions& options) {
  WEFT_TRY_VOID(validate(options.sampling));
  RemoteSettings settings{
      .sampling = options.sampling, .max_tokens = options.max_tokens, .stop = options.stop};
  if (options.ignore_end_tokens) return cannot("going on past the model's own end");
  if (options.scored_begin != options.scored_end) return cannot("scores of a prompt's tokens");
  for (const LogitsStep& step : options.logits) {
    const auto* penalties = std::get_if<Penalties>(&step);
    if (penalties == nullptr) return cannot("biases (logit_bias) and processors of logits");
    if (penalties->repeat != 1) return cannot("a repetition penalty (repeat_penalty)");
    settings.presence_penalty += penalties->presence;
    settings.frequency_penalty += penalties->frequency;
  }
  return settings;
}

}  // namespace weft::inference
