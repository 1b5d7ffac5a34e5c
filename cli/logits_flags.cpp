#include "cli/logits_flags.h"

#include <CLI/CLI.hpp>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "cli/text_input.h"
#include "cli/whole_number.h"
#include "inference/block_ngrams.h"
#include "inference/momentum.h"

namespace weft::cli {
namespace {

using inference::LogitBias;
using inference::LogitsStep;
using inference::Penalties;
using Json = nlohmann::ordered_json;

constexpr std::array kKeys = {"logit_bias",       "repeat_penalty",    "repeat_last_n",
                              "presence_penalty", "frequency_penalty", "momentum"};

constexpr std::size_t kBlockedBytesMax = std::size_t{64} << 20;

template <typename T>
bool parse(std::string_view text, T& value) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

Result<LogitBias> bias_of(const std::vector<std::string>& texts) {
  LogitBias bias;
  for (const std::string& text : texts) {
    LogitBias::Entry entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos || !parse(std::string_view(text).substr(0, equals), entry.id) ||
        !parse(std::string_view(text).substr(equals + 1), entry.value)) {
      return Error{ErrorCode::kInvalidArgument,
                   "--logit-bias: '" + text +
                       "' isn't ID=VALUE, such as 198=-5 or 198=-inf (`weft tokenize` shows ids)"};
    }
    bias.entries.push_back(entry);
  }
  return bias;
}

Result<LogitBias> bias_of(const Json& object) {
  LogitBias bias;
  const Error wrong{ErrorCode::kInvalidArgument,
                    "\"logit_bias\": an object such as {\"198\": -5} is needed here"};
  if (!object.is_object()) return wrong;
  for (const auto& [id, value] : object.items()) {
    LogitBias::Entry entry;
    if (!parse(id, entry.id) || !value.is_number()) return wrong;
    entry.value = value.get<float>();
    bias.entries.push_back(entry);
  }
  return bias;
}

Result<std::vector<LogitsStep>> steps_of(LogitBias bias, const Penalties& penalties,
                                         float momentum) {
  std::vector<LogitsStep> steps;
  if (!bias.entries.empty()) steps.emplace_back(std::move(bias));
  if (penalties.repeat != 1 || penalties.presence != 0 || penalties.frequency != 0) {
    steps.emplace_back(penalties);
  }
  if (momentum != 0) {
    inference::MomentumOptions options;
    options.alpha = momentum;
    WEFT_TRY(step, inference::momentum(std::move(options)));
    steps.emplace_back(std::move(step));
  }
  return steps;
}

}  // namespace

std::span<const char* const> logits_keys() noexcept { return kKeys; }

void add_logits_flags(CLI::App& verb, LogitsFlags& flags) {
  verb.add_option("--logit-bias", flags.bias,
                  "Add V to the logit of token ID; -inf forbids it; may be repeated")
      ->type_name("ID=V")
      ->take_all()
      ->allow_extra_args(false);
  verb.add_option("--repeat-penalty", flags.penalties.repeat,
                  "Divide the logits of recent tokens, prompt's and answer's; 1 = off")
      ->capture_default_str();
  verb.add_option("--repeat-last-n", flags.penalties.repeat_last,
                  "How many tokens are recent for --repeat-penalty")
      ->capture_default_str()
      ->check(whole_number);
  verb.add_option("--presence-penalty", flags.penalties.presence,
                  "Subtract from the logits of tokens that the answer has; 0 = off")
      ->capture_default_str();
  verb.add_option("--frequency-penalty", flags.penalties.frequency,
                  "The same for each time that the answer has them")
      ->capture_default_str();
  verb.add_option("--momentum", flags.momentum,
                  "Resist n-grams that come again, by this much (0.2) for each token of them, when "
                  "greedy; 0 = off")
      ->capture_default_str();
  auto* blocked = verb.add_option("--block-ngrams", flags.blocked_text,
                                  "A text that isn't to be recited: no --block-ngrams-size tokens "
                                  "in a row of it are drawn")
                      ->type_name("FILE");
  verb.add_option("--block-ngrams-size", flags.blocked_n, "How many tokens in a row are too many")
      ->capture_default_str()
      ->check(whole_number)
      ->needs(blocked);
}

Result<std::vector<LogitsStep>> logits_steps(const LogitsFlags& flags) {
  WEFT_TRY(bias, bias_of(flags.bias));
  return steps_of(std::move(bias), flags.penalties, flags.momentum);
}

Result<std::vector<LogitsStep>> logits_steps(const BatchLine& line, const LogitsFlags& flags) {
  auto bias =
      line.has("logit_bias") ? bias_of(line.object().at("logit_bias")) : bias_of(flags.bias);
  if (!bias) return std::move(bias).error();
  const auto number = [&](const char* key, float fallback) -> Result<float> {
    WEFT_TRY(value, line.number(key, static_cast<double>(fallback)));
    return static_cast<float>(value);
  };
  WEFT_TRY(repeat, number("repeat_penalty", flags.penalties.repeat));
  WEFT_TRY(last, line.count("repeat_last_n", flags.penalties.repeat_last));
  WEFT_TRY(presence, number("presence_penalty", flags.penalties.presence));
  WEFT_TRY(frequency, number("frequency_penalty", flags.penalties.frequency));
  WEFT_TRY(resists, number("momentum", flags.momentum));
  return steps_of(*std::move(bias), {repeat, last, presence, frequency}, resists);
}

Result<std::optional<LogitsStep>> blocking_step(const Context& context, const LogitsFlags& flags,
                                                const inference::Tokenizer& tokenizer) {
  if (flags.blocked_text.empty()) return std::optional<LogitsStep>();
  WEFT_TRY(text, read_input(context, flags.blocked_text, kBlockedBytesMax));
  WEFT_TRY(step, inference::block_ngrams(tokenizer.encode(text, false), flags.blocked_n));
  return std::optional<LogitsStep>(std::move(step));
}

}  // namespace weft::cli
