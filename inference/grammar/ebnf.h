#pragma once
// Grammars as text, in the notation of GBNF (llama.cpp) and its close relative, the EBNF of the XML
// specification (section 6):
//
//   root  ::= item ("," " "? item){0,9}   # ends with the line, unless a group or | is open
//   item  ::= [a-z_] [^\n"]* | "quoted\n" | 'single' | #x41 | .
//
// Quantifiers are ? * + {n} {n,} {n,m} {,m}; escapes \n \r \t \\ \" \' \[ \] \- \^ \xHH \uHHHH
// \UHHHHHHHH. The answer follows the rule named root.

#include <string_view>

#include "base/result.h"
#include "inference/grammar/grammar.h"

namespace weft::inference::grammar {

/// Errors: kInvalidArgument names the line and what is wrong there.
Result<Grammar> ebnf_grammar(std::string_view text, const GrammarLimits& limits = {});

}  // namespace weft::inference::grammar
