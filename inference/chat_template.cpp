#include "inference/chat_template.h"

#include <nlohmann/json.hpp>

namespace weft::inference {

struct ChatTemplate::Program {
  std::string source;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Program> program) : program_(std::move(program)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

ChatTemplate ChatTemplate::chatml() {
  return ChatTemplate(std::make_unique<const Program>(Program{"chatml"}));
}

Result<ChatTemplate> ChatTemplate::parse(std::string) {
  return Error{ErrorCode::kUnsupported, "chat template: only the built-in ChatML so far"};
}

Result<std::vector<TextSpan>> ChatTemplate::render(const std::vector<ChatMessage>& messages,
                                                   const ChatTemplateOptions& options) const {
  std::vector<TextSpan> spans;
  std::string trusted;
  for (const ChatMessage& message : messages) {
    trusted += "<|im_start|>" + message.role + "\n";
    spans.push_back({std::exchange(trusted, {}), true});
    spans.push_back({message.content, false});
    trusted = "<|im_end|>\n";
  }
  if (options.add_generation_prompt) trusted += "<|im_start|>assistant\n";
  if (!trusted.empty()) spans.push_back({trusted, true});
  return spans;
}

Result<std::vector<TextSpan>> ChatTemplate::render_json(const nlohmann::json& variables,
                                                        const ChatTemplateOptions& options) const {
  std::vector<ChatMessage> messages;
  for (const auto& message : variables.value("messages", nlohmann::json::array())) {
    messages.push_back({message.value("role", ""), message.value("content", "")});
  }
  return render(messages, options);
}

const std::string& ChatTemplate::source() const noexcept { return program_->source; }

}  // namespace weft::inference
