#pragma once
// What filters and methods do to strings; all keep provenance, and pay for their work.

#include <cstdint>

#include "inference/jinja_eval.h"

namespace weft::inference::jinja {

enum class Case : std::uint8_t {
  kUpper,
  kLower,
  kCapital,      // "hello World" -> "Hello world"
  kTitle,        // Python's str.title: after any other character than a letter
  kFilterTitle,  // Jinja's filter: after white space, '-' and opening brackets
};
Result<Value> change_case(Interpreter& run, const Text& text, Case to);

/// `characters`: as trim()'s; a string, none or null.
Result<Value> strip(Interpreter& run, const Text& text, Ends ends, const Value* characters);

/// `count` < 0: all.
Result<Value> replace(Interpreter& run, const Text& text, const Text& from, const Text& to,
                      std::int64_t count);

/// `separator` null: runs of white space. `splits_max` < 0: all. `from_right`: Python's rsplit.
Result<Value> split(Interpreter& run, const Text& text, const Text* separator,
                    std::int64_t splits_max, bool from_right);

Result<Value> join(Interpreter& run, const List& items, const Text& separator);

Result<Value> indent(Interpreter& run, const Text& text, const Text& prefix, bool first,
                     bool blank_lines);

}  // namespace weft::inference::jinja
