// The methods of strings, dicts and lists that read; there are none that change anything.

#include <algorithm>

#include "inference/jinja_filters.h"
#include "inference/jinja_strings.h"

namespace weft::inference::jinja {

static Error invalid(std::string message) {
  return Error{ErrorCode::kInvalidArgument, std::move(message)};
}

bool has_method(const Value& object, std::string_view name) {
  constexpr std::string_view kText[] = {
      "capitalize", "count", "endswith", "find",   "index",        "isdigit",
      "isspace",    "join",  "lower",    "lstrip", "removeprefix", "removesuffix",
      "replace",    "rfind", "rsplit",   "rstrip", "split",        "splitlines",
      "startswith", "strip", "title",    "upper"};
  constexpr std::string_view kDict[] = {"get", "items", "keys", "values"};
  constexpr std::string_view kList[] = {"count", "index"};
  const auto among = [&](const auto& names) {
    return std::ranges::find(names, name) != std::end(names);
  };
  if (object.text() != nullptr) return among(kText);
  if (object.dict() != nullptr) return among(kDict);
  if (object.list() != nullptr) return among(kList);
  return object.loop() != nullptr && name == "cycle";
}

// startswith and endswith take a string or a tuple of them.
static Result<Value> has_affix(Interpreter& run, const Text& self, const Arguments& arguments,
                               bool at_end) {
  WEFT_TRY_VOID(arguments.check({"affix"}));
  const Value* given = arguments.find(0, "affix");
  if (given == nullptr) return invalid("needs a string");
  std::vector<Value> affixes{*given};
  if (given->list() != nullptr) affixes = given->list()->items;
  WEFT_TRY_VOID(run.charge(affixes.size()));
  for (const Value& affix : affixes) {
    if (affix.is_undefined()) return undefined_error(affix);
    if (affix.text() == nullptr) {
      return invalid(std::string("needs a string, not ") + affix.type_name());
    }
    WEFT_TRY_VOID(run.charge_bytes(affix.weight()));
    const std::string& text = affix.text()->bytes();
    if (at_end ? self.bytes().ends_with(text) : self.bytes().starts_with(text)) return Value(true);
  }
  return Value(false);
}

// find, rfind, index and count, all in code points.
static Result<Value> search(Interpreter& run, const Text& self, std::string_view name,
                            const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"sub"}));
  WEFT_TRY(wanted, text_argument(arguments, 0, "sub"));
  const std::string& text = self.bytes();
  const std::string& part = wanted->bytes();
  WEFT_TRY_VOID(run.charge_bytes(text.size() * (2 + part.size() / 16)));
  if (name == "count") {
    if (part.empty()) return Value(static_cast<std::int64_t>(count_code_points(text)) + 1);
    std::int64_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos;
         at = text.find(part, at + part.size())) {
      ++count;
    }
    return Value(count);
  }
  const std::size_t at = name == "rfind" ? text.rfind(part) : text.find(part);
  if (at == std::string::npos) {
    if (name == "index") return invalid("the part isn't in the string");
    return Value(std::int64_t{-1});
  }
  return Value(static_cast<std::int64_t>(count_code_points(std::string_view(text).substr(0, at))));
}

static Result<Value> split_lines(Interpreter& run, const Text& self, const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"keepends"}));
  const bool keep = flag_argument(arguments, 0, "keepends", false);
  WEFT_TRY_VOID(run.charge_bytes(self.size()));
  std::vector<Value> lines;
  for (std::size_t begin = 0; begin < self.size();) {
    const std::size_t end = std::min(self.bytes().find_first_of("\r\n", begin), self.size());
    std::size_t next = std::min(end + 1, self.size());
    if (self.bytes().compare(end, 2, "\r\n") == 0) next = end + 2;
    WEFT_TRY_VOID(run.charge(1));
    lines.emplace_back(self.slice(begin, keep ? next : end));
    begin = next;
  }
  return make_list(std::move(lines));
}

static Result<Value> without_affix(Interpreter& run, const Text& self, const Arguments& arguments,
                                   bool at_end) {
  WEFT_TRY(affix, text_argument(arguments, 0, "affix"));
  WEFT_TRY_VOID(run.charge_bytes(self.size()));
  const bool found =
      at_end ? self.bytes().ends_with(affix->bytes()) : self.bytes().starts_with(affix->bytes());
  if (!found) return Value(self);
  return Value(at_end ? self.slice(0, self.size() - affix->size())
                      : self.slice(affix->size(), self.size()));
}

static Result<Value> all_characters(Interpreter& run, const Text& self,
                                    bool (*matches)(std::uint32_t)) {
  WEFT_TRY_VOID(run.charge_bytes(self.size()));
  for (std::size_t at = 0; at < self.size();) {
    const CodePoint c = code_point_at(self.bytes(), at);
    if (!matches(c.value)) return Value(false);
    at += c.size;
  }
  return Value(!self.empty());
}

static Result<Value> split_method(Interpreter& run, const Text& self, const Arguments& arguments,
                                  bool from_right) {
  WEFT_TRY_VOID(arguments.check({"sep", "maxsplit"}));
  const Value* given = arguments.find(0, "sep");
  const Text* separator = nullptr;
  if (given != nullptr && !given->is_none()) {
    WEFT_TRY(text, text_argument(arguments, 0, "sep"));
    separator = text;
  }
  WEFT_TRY(splits_max, integer_argument(arguments, 1, "maxsplit", -1));
  return split(run, self, separator, splits_max, from_right);
}

static Result<Value> text_method(Interpreter& run, const Text& self, std::string_view name,
                                 const Arguments& arguments) {
  if (name == "split" || name == "rsplit") {
    return split_method(run, self, arguments, name == "rsplit");
  }
  if (name == "startswith" || name == "endswith") {
    return has_affix(run, self, arguments, name == "endswith");
  }
  if (name == "removeprefix" || name == "removesuffix") {
    return without_affix(run, self, arguments, name == "removesuffix");
  }
  if (name == "find" || name == "rfind" || name == "index" || name == "count") {
    return search(run, self, name, arguments);
  }
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    WEFT_TRY_VOID(arguments.check({"chars"}));
    const Ends ends = name == "strip" ? Ends::kBoth : name == "lstrip" ? Ends::kLeft : Ends::kRight;
    return strip(run, self, ends, arguments.find(0, "chars"));
  }
  if (name == "replace") {
    WEFT_TRY_VOID(arguments.check({"old", "new", "count"}));
    WEFT_TRY(from, text_argument(arguments, 0, "old"));
    WEFT_TRY(to, text_argument(arguments, 1, "new"));
    WEFT_TRY(count, integer_argument(arguments, 2, "count", -1));
    return replace(run, self, *from, *to, count);
  }
  if (name == "join") {
    WEFT_TRY_VOID(arguments.check({"iterable"}));
    const Value* given = arguments.find(0, "iterable");
    if (given == nullptr) return invalid("needs a list");
    WEFT_TRY(items, run.iterate(*given));
    for (const Value& item : items->items) {
      if (item.text() == nullptr) return invalid("only strings can be joined");
    }
    return join(run, *items, self);
  }
  if (name == "splitlines") return split_lines(run, self, arguments);
  WEFT_TRY_VOID(arguments.check({}));
  if (name == "upper") return change_case(run, self, Case::kUpper);
  if (name == "lower") return change_case(run, self, Case::kLower);
  if (name == "title") return change_case(run, self, Case::kTitle);
  if (name == "capitalize") return change_case(run, self, Case::kCapital);
  if (name == "isspace") {
    return all_characters(run, self, [](std::uint32_t c) { return is_space(c); });
  }
  return all_characters(run, self, [](std::uint32_t c) { return c >= '0' && c <= '9'; });
}

static Result<Value> dict_method(Interpreter& run, const Dict& self, std::string_view name,
                                 const Arguments& arguments) {
  if (name == "get") {
    WEFT_TRY_VOID(arguments.check({"key", "default"}));
    const Value* key = arguments.find(0, "key");
    if (key == nullptr) return invalid("needs a key");
    WEFT_TRY_VOID(run.charge_bytes(key->weight()));
    if (const Value* found = self.find(*key)) return *found;
    const Value* fallback = arguments.find(1, "default");
    return fallback != nullptr ? *fallback : Value(None{});
  }
  WEFT_TRY_VOID(arguments.check({}));
  WEFT_TRY_VOID(run.charge(self.entries().size()));
  std::vector<Value> out;
  for (const Dict::Entry& entry : self.entries()) {
    if (name == "keys") {
      out.push_back(entry.key);
    } else if (name == "values") {
      out.push_back(entry.value);
    } else {
      WEFT_TRY(pair, make_tuple({entry.key, entry.value}));
      out.push_back(std::move(pair));
    }
  }
  return make_list(std::move(out));
}

static Result<Value> list_method(Interpreter& run, const List& self, std::string_view name,
                                 const Arguments& arguments) {
  WEFT_TRY_VOID(arguments.check({"value"}));
  const Value* wanted = arguments.find(0, "value");
  if (wanted == nullptr) return invalid("needs a value");
  WEFT_TRY_VOID(run.charge(self.items.size()));
  std::int64_t count = 0;
  for (std::size_t i = 0; i < self.items.size(); ++i) {
    WEFT_TRY(same, run.equals(self.items[i], *wanted));
    if (same && name == "index") return Value(static_cast<std::int64_t>(i));
    count += same ? 1 : 0;
  }
  if (name == "index") return invalid("the value isn't in the list");
  return Value(count);
}

Result<Value> call_method(Interpreter& run, const Value& self, std::string_view name,
                          const Arguments& arguments) {
  WEFT_TRY_VOID(run.charge(1));
  if (self.text() != nullptr) return text_method(run, *self.text(), name, arguments);
  if (self.dict() != nullptr) return dict_method(run, *self.dict(), name, arguments);
  if (self.list() != nullptr) return list_method(run, *self.list(), name, arguments);
  if (arguments.positional.empty()) return invalid("needs values to cycle through");
  return arguments.positional[self.loop()->index % arguments.positional.size()];
}

}  // namespace weft::inference::jinja
