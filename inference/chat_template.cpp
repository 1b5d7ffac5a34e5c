#include "inference/chat_template.h"

#include <nlohmann/json.hpp>

#include "inference/jinja_ast.h"
#include "inference/jinja_eval.h"

namespace weft::inference {

using jinja::Dict;
using jinja::Value;

// The layout of OpenAI's ChatML, as Qwen and many others use it, without a default system text.
static constexpr std::string_view kChatMl =
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

struct ChatTemplate::Program {
  std::string source;
  jinja::Ast ast;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Program> program) : program_(std::move(program)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::parse(std::string source) {
  WEFT_TRY(ast, jinja::parse(source));
  return ChatTemplate(std::make_unique<const Program>(Program{std::move(source), std::move(ast)}));
}

ChatTemplate ChatTemplate::chatml() { return parse(std::string(kChatMl)).value(); }

const std::string& ChatTemplate::source() const noexcept { return program_->source; }

// A role that every template knows is printed as part of the template's own frame; any other text
// in its place is somebody's data.
static bool is_known_role(std::string_view role) {
  return role == "system" || role == "user" || role == "assistant" || role == "tool";
}

static Error too_deep() {
  return Error{ErrorCode::kResourceExhausted, "chat template: the variables nest deeper than " +
                                                  std::to_string(jinja::kValueDepthMax)};
}

template <typename Json>
static Result<Value> from_json(const Json& json, std::size_t depth) {
  if (depth > jinja::kValueDepthMax) return too_deep();
  switch (json.type()) {
    case nlohmann::json::value_t::boolean:
      return Value(json.template get<bool>());
    case nlohmann::json::value_t::number_integer:
      return Value(json.template get<std::int64_t>());
    case nlohmann::json::value_t::number_unsigned: {
      const auto number = json.template get<std::uint64_t>();
      if (number > INT64_MAX) return Value(static_cast<double>(number));
      return Value(static_cast<std::int64_t>(number));
    }
    case nlohmann::json::value_t::number_float:
      return Value(json.template get<double>());
    case nlohmann::json::value_t::string:
      return Value(jinja::Text(json.template get_ref<const std::string&>(), false));
    case nlohmann::json::value_t::array: {
      std::vector<Value> items;
      for (const auto& item : json) {
        WEFT_TRY(value, from_json(item, depth + 1));
        items.push_back(std::move(value));
      }
      return make_list(std::move(items));
    }
    case nlohmann::json::value_t::object: {
      Dict dict;
      for (const auto& [key, item] : json.items()) {
        WEFT_TRY(value, from_json(item, depth + 1));
        dict.set(Value(jinja::Text(key, false)), std::move(value));
      }
      return make_dict(std::move(dict));
    }
    default:
      return Value(jinja::None{});
  }
}

template <typename Json>
static Result<Value> messages_from_json(const Json& json) {
  if (!json.is_array()) {
    return Error{ErrorCode::kInvalidArgument, "chat template: 'messages' must be an array"};
  }
  std::vector<Value> messages;
  for (const auto& message : json) {
    WEFT_TRY(value, from_json(message, 1));
    const Value* role = value.dict() != nullptr ? value.dict()->find("role") : nullptr;
    if (role != nullptr && role->text() != nullptr && is_known_role(role->text()->bytes())) {
      Dict with_role = *value.dict();
      with_role.set(Value::trusted("role"), Value::trusted(role->text()->bytes()));
      WEFT_TRY(made, make_dict(std::move(with_role)));
      value = std::move(made);
    }
    messages.push_back(std::move(value));
  }
  return make_list(std::move(messages));
}

// What Hugging Face's apply_chat_template defines whether it is given or not.
static void add_defaults(Dict& globals, const ChatTemplateOptions& options) {
  for (const char* name : {"tools", "documents"}) {
    if (globals.find(name) == nullptr) globals.set(Value::trusted(name), jinja::None{});
  }
  globals.set(Value::trusted("add_generation_prompt"), Value(options.add_generation_prompt));
  globals.set(Value::trusted("bos_token"), Value::trusted(options.bos_token));
  globals.set(Value::trusted("eos_token"), Value::trusted(options.eos_token));
}

static Result<std::vector<TextSpan>> run(const jinja::Ast& ast, Dict globals,
                                         const ChatTemplateOptions& options) {
  add_defaults(globals, options);
  jinja::Interpreter interpreter({.steps_max = options.limits.steps_max,
                                  .output_bytes_max = options.limits.output_bytes_max,
                                  .depth_max = options.limits.depth_max},
                                 options.unix_time_s);
  WEFT_TRY(text, interpreter.run(ast, globals));
  std::vector<TextSpan> spans;
  std::size_t begin = 0;
  for (const jinja::Text::Run& piece : text.runs()) {
    spans.push_back({text.bytes().substr(begin, piece.end - begin), piece.trusted});
    begin = piece.end;
  }
  return spans;
}

Result<std::vector<TextSpan>> ChatTemplate::render(const std::vector<ChatMessage>& messages,
                                                   const ChatTemplateOptions& options) const {
  std::vector<Value> list;
  for (const ChatMessage& message : messages) {
    Dict dict;
    dict.set(Value::trusted("role"), Value(jinja::Text(message.role, is_known_role(message.role))));
    dict.set(Value::trusted("content"), Value(jinja::Text(message.content, false)));
    WEFT_TRY(value, make_dict(std::move(dict)));
    list.push_back(std::move(value));
  }
  WEFT_TRY(all, make_list(std::move(list)));
  Dict globals;
  globals.set(Value::trusted("messages"), std::move(all));
  return run(program_->ast, std::move(globals), options);
}

template <typename Json>
static Result<std::vector<TextSpan>> run_json(const jinja::Ast& ast, const Json& variables,
                                              const ChatTemplateOptions& options) {
  if (!variables.is_object() || !variables.contains("messages")) {
    return Error{ErrorCode::kInvalidArgument,
                 "chat template: the variables must be an object with 'messages'"};
  }
  Dict globals;
  for (const auto& [name, item] : variables.items()) {
    WEFT_TRY(value, name == "messages" ? messages_from_json(item) : from_json(item, 0));
    globals.set(Value::trusted(name), std::move(value));
  }
  return run(ast, std::move(globals), options);
}

Result<std::vector<TextSpan>> ChatTemplate::render_json(const nlohmann::json& variables,
                                                        const ChatTemplateOptions& options) const {
  return run_json(program_->ast, variables, options);
}

Result<std::vector<TextSpan>> ChatTemplate::render_json(const nlohmann::ordered_json& variables,
                                                        const ChatTemplateOptions& options) const {
  return run_json(program_->ast, variables, options);
}

}  // namespace weft::inference
