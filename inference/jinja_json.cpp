// The filter tojson, as Hugging Face's chat templates define it: json.dumps(ensure_ascii=False),
// without Jinja's own escapes for HTML.

#include <algorithm>
#include <cmath>

#include "inference/jinja_value.h"

namespace weft::inference::jinja {

namespace {

class JsonWriter {
 public:
  explicit JsonWriter(const JsonStyle& style) : style_(style) {}

  // Recursion is bounded by kValueDepthMax.
  Result<void> write(const Value& value) {
    if (out_.size() > style_.bytes_max) {
      return Error{ErrorCode::kResourceExhausted,
                   "JSON of more than the limit of " + std::to_string(style_.bytes_max) + " bytes"};
    }
    if (value.text() != nullptr) {
      write_string(*value.text());
    } else if (value.is_none()) {
      put("null");
    } else if (value.is<bool>()) {
      put(value.truthy() ? "true" : "false");
    } else if (value.is_integer()) {
      put(std::to_string(value.integer()));
    } else if (value.is<double>()) {
      put(number(value.number()));
    } else if (value.list() != nullptr) {
      return write_list(*value.list());
    } else if (value.dict() != nullptr) {
      return write_dict(*value.dict());
    } else {
      return Error{ErrorCode::kInvalidArgument,
                   std::string(value.type_name()) + " has no JSON form"};
    }
    return {};
  }

  Text take() { return std::move(out_); }

 private:
  void put(std::string_view bytes) { out_.append(bytes, true); }

  static std::string number(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
    return float_repr(value);
  }

  void newline() {
    if (style_.indent < 0) return;
    const auto width = static_cast<std::size_t>(style_.indent);
    put(std::string("\n") + std::string(width * level_, ' '));
  }

  void write_string(const Text& text) {
    put("\"");
    std::size_t begin = 0;
    for (const Text::Run& run : text.runs()) {
      std::string escaped;
      while (begin < run.end) begin = append_escaped(escaped, text.bytes(), begin);
      out_.append(escaped, run.trusted);
    }
    put("\"");
  }

  static void append_hex(std::string& out, std::uint32_t unit) {
    constexpr char kHex[] = "0123456789abcdef";
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += kHex[unit >> shift & 0xFU];
  }

  // Escapes what stands at `at`; returns the place after it.
  std::size_t append_escaped(std::string& out, const std::string& text, std::size_t at) const {
    constexpr std::string_view kEscaped = "\"\\\n\r\t\b\f";
    constexpr std::string_view kLetters = "\"\\nrtbf";
    const std::size_t known = kEscaped.find(text[at]);
    const auto byte = static_cast<unsigned char>(text[at]);
    if (known != std::string_view::npos) {
      out += {'\\', kLetters[known]};
    } else if (byte < 0x20) {
      append_hex(out, byte);
    } else if (byte >= 0x80 && style_.ensure_ascii) {
      const CodePoint c = code_point_at(text, at);
      if (c.value > 0xFFFF) {
        append_hex(out, 0xD800U + ((c.value - 0x10000U) >> 10U));
        append_hex(out, 0xDC00U + ((c.value - 0x10000U) & 0x3FFU));
      } else {
        append_hex(out, c.value);
      }
      return at + c.size;
    } else {
      out += text[at];
    }
    return at + 1;
  }

  Result<void> write_list(const List& list) {
    if (list.items.empty()) return put("[]"), Result<void>();
    put("[");
    ++level_;
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) put(style_.item_separator);
      newline();
      WEFT_TRY_VOID(write(list.items[i]));
    }
    --level_;
    newline();
    put("]");
    return {};
  }

  Result<void> write_dict(const Dict& dict) {
    if (dict.entries().empty()) return put("{}"), Result<void>();
    std::vector<const Dict::Entry*> entries;
    for (const Dict::Entry& entry : dict.entries()) entries.push_back(&entry);
    if (style_.sort_keys) {
      std::ranges::stable_sort(entries, [](const Dict::Entry* a, const Dict::Entry* b) {
        return to_text(a->key).bytes() < to_text(b->key).bytes();
      });
    }
    put("{");
    ++level_;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) put(style_.item_separator);
      newline();
      WEFT_TRY_VOID(write_key(entries[i]->key));
      put(style_.key_separator);
      WEFT_TRY_VOID(write(entries[i]->value));
    }
    --level_;
    newline();
    put("}");
    return {};
  }

  Result<void> write_key(const Value& key) {
    if (key.text() != nullptr) return write_string(*key.text()), Result<void>();
    put("\"");
    auto written = write(key);  // numbers, booleans and none become strings of their JSON form
    put("\"");
    return written;
  }

  const JsonStyle& style_;
  Text out_;
  std::size_t level_ = 0;
};

}  // namespace

Result<Text> to_json(const Value& value, const JsonStyle& style) {
  JsonWriter writer(style);
  WEFT_TRY_VOID(writer.write(value));
  return writer.take();
}

}  // namespace weft::inference::jinja
