#pragma once
// A model's chat template (tokenizer.chat_template, a Jinja2 program from an untrusted file),
// rendered by an own sandboxed subset of Jinja2: no host objects, and limits on steps, output and
// depth. Text that comes from a message is marked untrusted in the result, so that control tokens
// spelled in it stay text; text of the template itself is trusted.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "inference/text_span.h"

namespace weft::inference {

struct ChatMessage {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;

  friend bool operator==(const ChatMessage&, const ChatMessage&) = default;
};

struct ChatTemplateLimits {
  std::size_t steps_max = 1'000'000;
  std::size_t output_bytes_max = 4 << 20;
  std::size_t depth_max = 64;
};

struct ChatTemplateOptions {
  bool add_generation_prompt = true;
  std::string bos_token;  // trusted texts of the model's vocabulary
  std::string eos_token;
  std::int64_t unix_time_s = 0;  // what strftime_now sees; a caller hands in its clock's
  ChatTemplateLimits limits;
};

/// Immutable; const members may run at once.
class ChatTemplate {
 public:
  /// Errors: kUnsupported or kInvalidArgument with line, column and the construct.
  static Result<ChatTemplate> parse(std::string source);
  /// ChatML, for models whose file has no template.
  static ChatTemplate chatml();

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  /// Adjacent spans of equal trust are merged. Errors: kInvalidArgument if the template raised an
  /// exception (its text) or a value has the wrong type; kResourceExhausted names the limit.
  Result<std::vector<TextSpan>> render(const std::vector<ChatMessage>& messages,
                                       const ChatTemplateOptions& options) const;
  /// The same with messages, tools and other variables as JSON: strings inside `variables` are
  /// untrusted. `variables` is an object; "messages" must be in it.
  Result<std::vector<TextSpan>> render_json(const nlohmann::json& variables,
                                            const ChatTemplateOptions& options) const;
  /// The same, with objects' members in the caller's order: `tool | tojson` then prints what the
  /// models were trained on. (nlohmann::json sorts them by name.)
  Result<std::vector<TextSpan>> render_json(const nlohmann::ordered_json& variables,
                                            const ChatTemplateOptions& options) const;

  const std::string& source() const noexcept;

 private:
  struct Program;
  explicit ChatTemplate(std::unique_ptr<const Program> program);
  std::unique_ptr<const Program> program_;
};

}  // namespace weft::inference
