#pragma once
// Small code on texts and lists of them: what stands between a graph's prompts. Each is a function
// of its inputs alone.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "planner/function.h"
#include "planner/prompt_template.h"

namespace weft::planner {

/// The lines that hold more than blanks, without their ends.
std::vector<std::string> split_lines(std::string_view text);

struct BlockOptions {
  std::size_t bytes_max = 2000;  // >= 4, of a block
  std::size_t overlap = 0;       // bytes that a block shares with the one before, < bytes_max / 2
};
/// Blocks of at most bytes_max bytes that cover the text, cut between characters and, where there
/// is one in a block's last quarter, at the end of a paragraph, of a line or of a word. Any span of
/// up to `overlap` bytes is whole in some block, but for the few that a cut between characters may
/// take. Errors: kInvalidArgument for the options.
Result<std::vector<std::string>> split_blocks(std::string_view text, const BlockOptions& options);

std::string join(const std::vector<std::string>& texts, std::string_view separator);

enum class Which { kFirst, kLast };
/// A decimal number in a text, "1,234.5" too. Errors: kInvalidArgument if there is none, with the
/// text's beginning.
Result<double> parse_number(std::string_view text, Which which = Which::kLast);

/// Case and blanks around aside, and a full stop at the end: what makes two short answers the same.
std::string normalised(std::string_view text);

/// The same as nodes. `type` is that of what they are given, where it may be any.
FunctionPtr join_function(std::string separator);
FunctionPtr concat_function(std::string separator, std::size_t inputs);  // of texts
FunctionPtr list_function(std::size_t inputs);                           // of texts, to their list
FunctionPtr format_function(PromptTemplate format);  // inputs: the texts of its names()
FunctionPtr count_function(const Type* list);        // to an int
FunctionPtr show_function(const Type* type);         // to text: JSON, but a text as it is
/// A member of a value of type json, by JSON pointer ("/a/0"; "" is all of it), as a `type`.
/// Errors: kInvalidArgument for the pointer; when run, kNotFound, or if it is of another type.
Result<FunctionPtr> pick_function(std::string_view pointer, const Type* type);

}  // namespace weft::planner
