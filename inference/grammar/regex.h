#pragma once
// Regular expressions as grammars: the part of ECMA-262's syntax that JSON Schema recommends for
// "pattern" (JSON Schema 2020-12 core, section 6.4), over code points.

#include <functional>
#include <string_view>

#include "base/result.h"
#include "inference/grammar/grammar.h"

namespace weft::inference::grammar {

/// How one code point of a set is written.
using Writing = std::function<NodeId(Grammar&, const CodePointSet&)>;

/// Appends `expression` to `grammar`. `is_search`: what it matches may stand anywhere in the text
/// where no ^ and $ hold it, as JSON Schema has it; else it is the whole text.
struct RegexOptions {
  Writing writing;  // empty: UTF-8
  bool is_search = false;
  GrammarLimits limits;
};
/// Read are literals, ., classes, \d \w \s and their opposites, groups, |, ? * + {n,m} also with a
/// ? behind, ^ first and $ last, and the escapes of characters.
/// Errors: kInvalidArgument for broken syntax, kUnsupported for look-around, back references, word
/// boundaries, flags, \p and anchors elsewhere; both say where.
Result<NodeId> add_regex(Grammar& grammar, std::string_view expression,
                         const RegexOptions& options = {});

/// A grammar of the texts that `expression` matches as a whole.
Result<Grammar> regex_grammar(std::string_view expression, const GrammarLimits& limits = {});

}  // namespace weft::inference::grammar
