#include "inference/grammar/json_text.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "inference/grammar/regex.h"

namespace weft::inference::grammar {
namespace {

constexpr std::uint32_t kIntegerDigitsMax = 18;
constexpr std::uint32_t kFractionDigitsMax = 17;

/// Dates that exist, of four-digit years.
constexpr std::string_view kDate =
    "(?:[1-9]\\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))"
    "|(?:[1-9]\\d(?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)-02-29)";
constexpr std::string_view kTime =
    "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)";
constexpr std::string_view kLabel = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
constexpr std::string_view kPathCharacter = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";

std::string expression_of(std::string_view format) {
  const std::string label(kLabel);
  const std::string path(kPathCharacter);
  const std::string octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
  if (format == "date") return std::string(kDate);
  if (format == "time") return std::string(kTime);
  if (format == "date-time") return std::string(kDate) + "T" + std::string(kTime);
  if (format == "uuid") return "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}";
  if (format == "hostname") return label + "(?:\\." + label + "){0,7}";
  if (format == "email") {
    return "[A-Za-z0-9_+-]{1,32}(?:\\.[A-Za-z0-9_+-]{1,31})?@" + label + "(?:\\." + label +
           "){1,3}";
  }
  if (format == "ipv4") return octet + "(?:\\." + octet + "){3}";
  if (format == "uri") {
    return "[A-Za-z][A-Za-z0-9+.-]*://" + label + "(?:\\." + label + ")*(?::[1-9]\\d{0,3})?(?:/" +
           path + "*)*(?:\\?(?:" + path + "|[/?])*)?(?:#(?:" + path + "|[/?])*)?";
  }
  return {};
}

/// A natural number of at least `size` digits.
std::string padded(std::int64_t value, std::size_t size) {
  std::string text = std::to_string(value);
  if (text.size() < size) text.insert(0, size - text.size(), '0');
  return text;
}

ByteSet byte_range(char first, char last) {
  ByteSet set;
  for (int byte = first; byte <= last; ++byte) set.set(static_cast<std::size_t>(byte));
  return set;
}

}  // namespace

NodeId json_character(Grammar& grammar, const CodePointSet& set) {
  static constexpr std::pair<char32_t, std::string_view> kShort[] = {
      {'"', "\\\""}, {'\\', "\\\\"}, {'\b', "\\b"}, {'\f', "\\f"},
      {'\n', "\\n"}, {'\r', "\\r"},  {'\t', "\\t"}};
  const CodePointSet raw = set.without(CodePointSet::of(0, 0x1F).add(CodePointSet::of("\"\\")));
  std::vector<NodeId> alternatives;
  if (!raw.empty()) alternatives.push_back(grammar.code_points(raw));
  for (const auto& [value, escape] : kShort) {
    if (set.contains(value)) alternatives.push_back(grammar.text(escape));
  }
  for (char32_t value = 0; value < 0x20; ++value) {
    const bool is_short =
        std::ranges::any_of(kShort, [&](const auto& each) { return each.first == value; });
    if (is_short || !set.contains(value)) continue;
    char escape[8];
    std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(value));
    alternatives.push_back(grammar.text(escape));
  }
  return alternatives.size() == 1 ? alternatives.front() : grammar.choice(std::move(alternatives));
}

NodeId JsonText::comma() {
  if (!comma_) {
    comma_ = grammar_->sequence({grammar_->text(","), grammar_->optional(grammar_->text(" "))});
  }
  return *comma_;
}

NodeId JsonText::colon() {
  if (!colon_) {
    colon_ = grammar_->sequence({grammar_->text(":"), grammar_->optional(grammar_->text(" "))});
  }
  return *colon_;
}

NodeId JsonText::quote() {
  if (!quote_) quote_ = grammar_->text("\"");
  return *quote_;
}

NodeId JsonText::literal(const Json& value) { return grammar_->text(value.dump()); }

NodeId JsonText::free_character() {
  if (free_character_) return *free_character_;
  Grammar& g = *grammar_;
  const auto class_of = [&](std::string_view letters) {
    return g.code_points(CodePointSet::of(letters));
  };
  const NodeId hex = class_of("0123456789abcdefABCDEF");
  // Surrogates come in pairs, which are one character.
  const NodeId single = g.choice({g.sequence({class_of("0123456789abcefABCEF"), hex, hex, hex}),
                                  g.sequence({class_of("dD"), class_of("01234567"), hex, hex})});
  const NodeId surrogates = g.sequence({class_of("dD"), class_of("89abAB"), hex, hex, g.text("\\u"),
                                        class_of("dD"), class_of("cdefCDEF"), hex, hex});
  const NodeId escape =
      g.choice({class_of("\"\\/bfnrt"), g.sequence({g.text("u"), g.choice({single, surrogates})})});
  const CodePointSet raw =
      CodePointSet::all().without(CodePointSet::of(0, 0x1F).add(CodePointSet::of("\"\\")));
  free_character_ = g.choice({g.code_points(raw), g.sequence({g.text("\\"), escape})});
  return *free_character_;
}

NodeId JsonText::plain_characters() {
  if (!plain_characters_) {
    plain_characters_ =
        grammar_->repeat(json_character(*grammar_, CodePointSet::all()), 0, kUnbounded);
  }
  return *plain_characters_;
}

NodeId JsonText::string(std::uint32_t min, std::uint32_t max) {
  return grammar_->sequence({quote(), grammar_->repeat(free_character(), min, max), quote()});
}

Result<NodeId> JsonText::string_like(std::string_view expression, const GrammarLimits& limits) {
  WEFT_TRY(body, add_regex(*grammar_, expression,
                           {.writing = json_character, .is_search = true, .limits = limits}));
  return grammar_->sequence({quote(), body, quote()});
}

std::optional<NodeId> JsonText::string_of_format(std::string_view format) {
  const std::string expression = expression_of(format);
  if (expression.empty()) return std::nullopt;
  const auto body = add_regex(*grammar_, expression);
  if (!body) return std::nullopt;
  return grammar_->sequence({quote(), *body, quote()});
}

NodeId JsonText::string_except(const std::vector<std::u32string>& excluded) {
  std::vector<std::u32string> sorted = excluded;
  std::ranges::sort(sorted);
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  return grammar_->sequence({quote(), except(sorted, 0, sorted.size(), 0), quote()});
}

/// What may follow the first `depth` characters that sorted[begin, end) have in common.
NodeId JsonText::except(const std::vector<std::u32string>& sorted, std::size_t begin,
                        std::size_t end, std::size_t depth) {
  std::vector<NodeId> alternatives;
  if (begin < end && sorted[begin].size() == depth) {
    ++begin;  // it may not end here
  } else {
    alternatives.push_back(grammar_->empty());
  }
  CodePointSet taken;
  while (begin < end) {
    const char32_t letter = sorted[begin][depth];
    std::size_t same = begin;
    while (same < end && sorted[same][depth] == letter) ++same;
    const CodePointSet set = CodePointSet::of(letter, letter);
    taken.add(set);
    const NodeId rest = except(sorted, begin, same, depth + 1);
    alternatives.push_back(grammar_->sequence({json_character(*grammar_, set), rest}));
    begin = same;
  }
  alternatives.push_back(
      grammar_->sequence({json_character(*grammar_, taken.complement()), plain_characters()}));
  return grammar_->choice(std::move(alternatives));
}

NodeId JsonText::digits(std::uint32_t min, std::uint32_t max) {
  if (!digit_) digit_ = grammar_->bytes(byte_range('0', '9'));
  return grammar_->repeat(*digit_, min, max);
}

/// Digits from `low` to `high`, which have the same length.
NodeId JsonText::between(std::string_view low, std::string_view high) {
  Grammar& g = *grammar_;
  const auto size = static_cast<std::uint32_t>(low.size());
  if (low.find_first_not_of('0') == std::string_view::npos &&
      high.find_first_not_of('9') == std::string_view::npos) {
    return digits(size, size);
  }
  const auto digit = [&](char first, char last) { return g.bytes(byte_range(first, last)); };
  if (low[0] == high[0]) {
    return g.sequence({digit(low[0], low[0]), between(low.substr(1), high.substr(1))});
  }
  const std::string nines(size - 1, '9');
  const std::string zeros(size - 1, '0');
  std::vector<NodeId> parts = {g.sequence({digit(low[0], low[0]), between(low.substr(1), nines)})};
  if (high[0] - low[0] > 1) {
    parts.push_back(
        g.sequence({digit(static_cast<char>(low[0] + 1), static_cast<char>(high[0] - 1)),
                    digits(size - 1, size - 1)}));
  }
  parts.push_back(g.sequence({digit(high[0], high[0]), between(zeros, high.substr(1))}));
  return g.choice(std::move(parts));
}

/// 0 <= min <= max, without leading zeros.
NodeId JsonText::natural(std::int64_t min, std::int64_t max) {
  std::vector<NodeId> lengths;
  std::int64_t first = 0;
  std::int64_t last = 9;
  for (std::size_t size = 1;; ++size) {
    const std::int64_t low = std::max(min, first);
    const std::int64_t high = std::min(max, last);
    if (low <= high) lengths.push_back(between(padded(low, size), padded(high, size)));
    if (size == kIntegerDigitsMax) break;  // one digit more might not fit
    first = last + 1;
    last = first * 10 - 1;
  }
  return grammar_->choice(std::move(lengths));
}

NodeId JsonText::integer(std::int64_t min, std::int64_t max) {
  Grammar& g = *grammar_;
  if (min == -kIntegerMax && max == kIntegerMax) {
    return g.choice(
        {g.text("0"), g.sequence({g.optional(g.text("-")), g.bytes(byte_range('1', '9')),
                                  digits(0, kIntegerDigitsMax - 1)})});
  }
  std::vector<NodeId> signs;
  if (max >= 0 && min <= max) signs.push_back(natural(std::max<std::int64_t>(min, 0), max));
  if (min < 0 && min <= max) {
    signs.push_back(g.sequence({g.text("-"), natural(std::max<std::int64_t>(-max, 1), -min)}));
  }
  return g.choice(std::move(signs));
}

NodeId JsonText::number() {
  Grammar& g = *grammar_;
  const NodeId whole = g.choice(
      {g.text("0"), g.sequence({g.bytes(byte_range('1', '9')), digits(0, kIntegerDigitsMax - 1)})});
  const NodeId fraction = g.sequence({g.text("."), digits(1, kFractionDigitsMax)});
  ByteSet e;
  e.set('e').set('E');
  ByteSet sign;
  sign.set('+').set('-');
  const NodeId exponent = g.sequence({g.bytes(e), g.optional(g.bytes(sign)), digits(1, 2)});
  return g.sequence({g.optional(g.text("-")), whole, g.optional(fraction), g.optional(exponent)});
}

/// Numbers without a sign in bounds that are at least 0.
NodeId JsonText::magnitude(const Bounds& bounds) {
  Grammar& g = *grammar_;
  if (bounds.min > bounds.max ||
      (bounds.min == bounds.max && (bounds.above_min || bounds.below_max))) {
    return g.choice({});
  }
  const NodeId fraction = g.sequence({g.text("."), digits(1, kFractionDigitsMax)});
  const NodeId zeros = g.sequence({g.text("."), g.repeat(g.text("0"), 1, kFractionDigitsMax)});
  const auto exactly = [&](std::int64_t value) { return g.text(std::to_string(value)); };
  std::vector<NodeId> parts;
  std::int64_t first = bounds.min;
  if (bounds.above_min && first < bounds.max) {
    // Above the bound, but with its digits before the point: the last digit behind it isn't 0.
    parts.push_back(g.sequence({exactly(first), g.text("."), digits(0, kFractionDigitsMax - 1),
                                g.bytes(byte_range('1', '9'))}));
    ++first;
  }
  if (first < bounds.max) {
    parts.push_back(g.sequence({natural(first, bounds.max - 1), g.optional(fraction)}));
  }
  if (!bounds.below_max) parts.push_back(g.sequence({exactly(bounds.max), g.optional(zeros)}));
  return g.choice(std::move(parts));
}

NodeId JsonText::number(const Bounds& bounds) {
  Grammar& g = *grammar_;
  std::vector<NodeId> signs;
  if (bounds.max >= 0) {
    const bool from_zero = bounds.min < 0;
    signs.push_back(magnitude({.min = from_zero ? 0 : bounds.min,
                               .max = bounds.max,
                               .above_min = !from_zero && bounds.above_min,
                               .below_max = bounds.below_max}));
  }
  if (bounds.min < 0) {
    const bool to_zero = bounds.max >= 0;
    signs.push_back(
        g.sequence({g.text("-"), magnitude({.min = to_zero ? 0 : -bounds.max,
                                            .max = -bounds.min,
                                            // A bound of 0 forbids -0 where it forbids 0.
                                            .above_min = bounds.max <= 0 && bounds.below_max,
                                            .below_max = bounds.above_min})}));
  }
  return g.choice(std::move(signs));
}

NodeId JsonText::any_object() {
  Grammar& g = *grammar_;
  const NodeId member = g.sequence({string(0, kUnbounded), colon(), any()});
  const NodeId more = g.repeat(g.sequence({comma(), member}), 0, kUnbounded);
  return g.sequence({g.text("{"), g.optional(g.sequence({member, more})), g.text("}")});
}

NodeId JsonText::any_array() {
  Grammar& g = *grammar_;
  const NodeId more = g.repeat(g.sequence({comma(), any()}), 0, kUnbounded);
  return g.sequence({g.text("["), g.optional(g.sequence({any(), more})), g.text("]")});
}

NodeId JsonText::any() {
  if (any_) return *any_;
  Grammar& g = *grammar_;
  const RuleId rule = g.add_rule("any value");
  any_ = g.call(rule);
  g.define(rule, g.choice({any_object(), any_array(), string(0, kUnbounded), number(),
                           g.text("true"), g.text("false"), g.text("null")}));
  return *any_;
}

}  // namespace weft::inference::grammar
