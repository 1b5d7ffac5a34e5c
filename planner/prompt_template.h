#pragma once
// A prompt with named places for texts: "Summarise:\n\n{{document}}". What is put in is data: it is
// never read as a template, and the spans of the result tell it apart from the template's own
// words.
//
// {{name}} is a place; names are letters, digits, _ and -, blanks around them don't count. A
// backslash makes {{ plain text (\{{); \\{{name}} is a backslash before a place. }} alone is plain.
// Put what is the same in every prompt first: siblings then read it once.

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::planner {

struct Prompt {
  /// text[begin, end): the input of this name, or the template's own if the name is empty.
  struct Span {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string input;

    friend bool operator==(const Span&, const Span&) = default;
  };

  std::string text;
  std::vector<Span> spans;  // in order, without gaps, none empty
};

class PromptTemplate {
 public:
  /// Errors: kInvalidArgument names the line of a place that isn't closed or has no valid name.
  static Result<PromptTemplate> parse(std::string_view text);
  /// Errors: also kNotFound, kIo; kResourceExhausted beyond 1 MiB.
  static Result<PromptTemplate> load(const std::filesystem::path& path);

  /// In the order of their first places.
  const std::vector<std::string>& names() const noexcept { return names_; }
  /// The text before the first place: what all its prompts begin with.
  std::string_view fixed_beginning() const noexcept;
  const std::string& source() const noexcept { return source_; }

  /// Errors: kInvalidArgument names an input without a place, with the nearest one, or a place
  /// without an input; kResourceExhausted beyond 64 MiB.
  Result<Prompt> render(const std::map<std::string, std::string, std::less<>>& inputs) const;
  /// The same, the texts being those of names(), in their order.
  Result<Prompt> render_in_order(const std::vector<std::string_view>& texts) const;

 private:
  struct Piece {
    std::string text;           // if it isn't a place
    std::size_t input = kText;  // index in names_
  };
  static constexpr std::size_t kText = static_cast<std::size_t>(-1);

  void add_text(std::string_view text);
  void add_place(std::string_view name);

  std::string source_;
  std::vector<Piece> pieces_;  // no two texts in a row
  std::vector<std::string> names_;
};

}  // namespace weft::planner
