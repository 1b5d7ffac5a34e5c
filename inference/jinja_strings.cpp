#include "inference/jinja_strings.h"

#include <algorithm>

namespace weft::inference::jinja {

static bool begins_word(Case rule, std::uint32_t before) {
  if (rule == Case::kTitle) return !is_letter(before);
  return is_space(before) || before == '-' || before == '(' || before == '{' || before == '[' ||
         before == '<';
}

Result<Value> change_case(Interpreter& run, const Text& text, Case to) {
  WEFT_TRY_VOID(run.charge_bytes(2 * text.size()));
  Text out;
  std::uint32_t before = ' ';
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text.bytes(), at);
    const bool titled = to == Case::kTitle || to == Case::kFilterTitle;
    const bool upper = to == Case::kUpper || (to == Case::kCapital && at == 0) ||
                       (titled && begins_word(to, before));
    const std::uint32_t changed = upper ? to_upper(c.value) : to_lower(c.value);
    std::string piece = text.bytes().substr(at, c.size);
    if (upper && c.value == 0xDF) {  // the one common letter whose capital is two
      piece = to == Case::kUpper ? "SS" : "Ss";
    } else if (changed != c.value) {
      piece.clear();
      append_utf8(piece, changed);
    }
    out.append(piece, text.trusted_at(at));
    before = c.value;
    at += c.size;
  }
  return Value(std::move(out));
}

Result<Value> strip(Interpreter& run, const Text& text, Ends ends, const Value* characters) {
  const Text* set = characters != nullptr ? characters->text() : nullptr;
  if (characters != nullptr && set == nullptr && !characters->is_none()) {
    return Error{ErrorCode::kInvalidArgument, "the characters to remove must be a string"};
  }
  if (set != nullptr && set->empty()) return Value(text);
  WEFT_TRY_VOID(run.charge_bytes(text.size() * (set == nullptr ? 1 : set->size())));
  const Trimmed kept = trim(text.bytes(), ends, set == nullptr ? "" : set->bytes());
  return Value(text.slice(kept.begin, kept.end));
}

Result<Value> replace(Interpreter& run, const Text& text, const Text& from, const Text& to,
                      std::int64_t count) {
  WEFT_TRY_VOID(run.charge_bytes(text.size() * (1 + from.size() / 16)));
  Text out;
  std::size_t begin = 0;
  const auto put = [&](const Text& piece) -> Result<void> {
    WEFT_TRY_VOID(run.check_size(out.size() + piece.size()));
    WEFT_TRY_VOID(run.charge_bytes(piece.size() + 1));
    out.append(piece);
    return {};
  };
  for (; count != 0 && begin <= text.size(); --count) {
    const std::size_t found = text.bytes().find(from.bytes(), begin);
    if (found == std::string::npos) break;
    WEFT_TRY_VOID(put(text.slice(begin, found)));
    WEFT_TRY_VOID(put(to));
    begin = found + from.size();
    if (from.empty()) {  // between all characters
      const std::size_t size = begin < text.size() ? code_point_at(text.bytes(), begin).size : 0;
      WEFT_TRY_VOID(put(text.slice(begin, begin + size)));
      begin += std::max<std::size_t>(size, 1);
    }
  }
  if (begin < text.size()) WEFT_TRY_VOID(put(text.slice(begin, text.size())));
  return Value(std::move(out));
}

using Pieces = std::vector<Value>;

static Pieces split_at_spaces(const Text& text, std::int64_t splits_max) {
  Pieces pieces;
  const std::string& bytes = text.bytes();
  std::size_t at = 0;
  const auto skip = [&](bool spaces) {
    while (at < bytes.size()) {
      const CodePoint c = code_point_at(bytes, at);
      if (is_space(c.value) != spaces) break;
      at += c.size;
    }
  };
  for (;;) {
    skip(true);
    if (at >= bytes.size()) return pieces;
    const std::size_t begin = at;
    if (splits_max-- == 0) {
      pieces.emplace_back(text.slice(begin, text.size()));
      return pieces;
    }
    skip(false);
    pieces.emplace_back(text.slice(begin, at));
  }
}

static Pieces split_at(const Text& text, const std::string& separator, std::int64_t splits_max) {
  Pieces pieces;
  std::size_t begin = 0;
  for (; splits_max != 0; --splits_max) {
    const std::size_t found = text.bytes().find(separator, begin);
    if (found == std::string::npos) break;
    pieces.emplace_back(text.slice(begin, found));
    begin = found + separator.size();
  }
  pieces.emplace_back(text.slice(begin, text.size()));
  return pieces;
}

static Pieces split_from_right(const Text& text, const std::string& separator,
                               std::int64_t splits_max) {
  Pieces pieces;
  std::size_t end = text.size();
  for (; splits_max != 0 && end >= separator.size(); --splits_max) {
    const std::size_t found = text.bytes().rfind(separator, end - separator.size());
    if (found == std::string::npos) break;
    pieces.emplace_back(text.slice(found + separator.size(), end));
    end = found;
  }
  pieces.emplace_back(text.slice(0, end));
  std::ranges::reverse(pieces);
  return pieces;
}

Result<Value> split(Interpreter& run, const Text& text, const Text* separator,
                    std::int64_t splits_max, bool from_right) {
  const std::size_t size = separator != nullptr ? separator->size() : 1;
  if (size == 0) return Error{ErrorCode::kInvalidArgument, "the separator is empty"};
  WEFT_TRY_VOID(run.charge_bytes(text.size() * (2 + size / 16)));
  // Each piece takes some memory; at most one for each separator.
  WEFT_TRY_VOID(run.charge(text.size() / size));
  if (separator == nullptr) {
    if (from_right && splits_max >= 0) {
      return Error{ErrorCode::kUnsupported, "needs a separator if the splits are limited"};
    }
    return make_list(split_at_spaces(text, splits_max));
  }
  return make_list(from_right ? split_from_right(text, separator->bytes(), splits_max)
                              : split_at(text, separator->bytes(), splits_max));
}

Result<Value> join(Interpreter& run, const List& items, const Text& separator) {
  Text out;
  for (std::size_t i = 0; i < items.items.size(); ++i) {
    WEFT_TRY(piece, run.text_of(items.items[i]));
    WEFT_TRY_VOID(run.check_size(out.size() + separator.size() + piece.size()));
    WEFT_TRY_VOID(run.charge_bytes(separator.size()));
    if (i > 0) out.append(separator);
    out.append(piece);
  }
  return Value(std::move(out));
}

Result<Value> indent(Interpreter& run, const Text& text, const Text& prefix, bool first,
                     bool blank_lines) {
  Text out;
  bool indented = first;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t found = text.bytes().find('\n', begin);
    const bool last = found == std::string::npos;
    const std::size_t end = last ? text.size() : found + 1;
    const bool blank = end - begin == (last ? 0 : 1);
    WEFT_TRY_VOID(run.check_size(out.size() + prefix.size() + end - begin));
    WEFT_TRY_VOID(run.charge_bytes(prefix.size() + end - begin + 1));
    if (indented && (!blank || blank_lines)) out.append(prefix);
    out.append(text.slice(begin, end));
    if (last) break;
    begin = end;
    indented = true;
  }
  return Value(std::move(out));
}

}  // namespace weft::inference::jinja
