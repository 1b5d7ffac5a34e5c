#include "planner/prompt_template.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/nearest.h"

namespace weft::planner {
namespace {

constexpr std::size_t kTemplateBytesMax = std::size_t{1} << 20;
constexpr std::size_t kPromptBytesMax = std::size_t{64} << 20;
constexpr std::size_t kNameBytesMax = 64;

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
         });
}

Error at_line(std::string_view text, std::size_t at, const std::string& why) {
  const auto line =
      1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
  return Error{ErrorCode::kInvalidArgument,
               "line " + std::to_string(line) + " of the template: " + why};
}

}  // namespace

void PromptTemplate::add_text(std::string_view text) {
  if (text.empty()) return;
  if (pieces_.empty() || pieces_.back().input != kText) pieces_.emplace_back();
  pieces_.back().text += text;
}

void PromptTemplate::add_place(std::string_view name) {
  const auto known = std::find(names_.begin(), names_.end(), name);
  pieces_.push_back({{}, static_cast<std::size_t>(known - names_.begin())});
  if (known == names_.end()) names_.emplace_back(name);
}

Result<PromptTemplate> PromptTemplate::parse(std::string_view text) {
  PromptTemplate made;
  made.source_ = text;
  std::size_t at = 0;
  for (;;) {
    const std::size_t open = text.find("{{", at);
    if (open == std::string_view::npos) break;
    std::size_t slashes = 0;
    while (slashes < open - at && text[open - 1 - slashes] == '\\') ++slashes;
    made.add_text(text.substr(at, open - at - slashes));
    made.add_text(std::string(slashes / 2, '\\'));
    if (slashes % 2 == 1) {
      made.add_text("{{");
      at = open + 2;
      continue;
    }
    const std::size_t close = text.find("}}", open);
    if (close == std::string_view::npos) {
      return at_line(text, open, "{{ isn't closed by }}; write \\{{ if it is meant as it stands");
    }
    const std::string_view name = trimmed(text.substr(open + 2, close - open - 2));
    if (!is_name(name)) {
      return at_line(text, open,
                     "\"" + std::string(name.substr(0, kNameBytesMax)) +
                         "\" is no name (letters, digits, _ and -); write \\{{ if it is meant as "
                         "it stands");
    }
    made.add_place(name);
    at = close + 2;
  }
  made.add_text(text.substr(at));
  return made;
}

Result<PromptTemplate> PromptTemplate::load(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return Error{ErrorCode::kNotFound, "the template " + path.string() + " can't be opened"};
  }
  std::string text(kTemplateBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return Error{ErrorCode::kIo, "the template " + path.string() + " can't be read"};
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kTemplateBytesMax) {
    return Error{ErrorCode::kResourceExhausted,
                 "the template " + path.string() + " is larger than 1 MiB"};
  }
  auto made = parse(text);
  if (!made) return std::move(made).error().with_context(path.string());
  return made;
}

std::string_view PromptTemplate::fixed_beginning() const noexcept {
  if (pieces_.empty() || pieces_.front().input != kText) return {};
  return pieces_.front().text;
}

Result<Prompt> PromptTemplate::render(
    const std::map<std::string, std::string, std::less<>>& inputs) const {
  for (const auto& [name, text] : inputs) {
    if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
      return Error{ErrorCode::kInvalidArgument,
                   "the template has no place {{" + name + "}}" + did_you_mean(name, names_)};
    }
  }
  std::vector<std::string_view> texts;
  for (const std::string& name : names_) {
    const auto found = inputs.find(name);
    if (found == inputs.end()) {
      return Error{ErrorCode::kInvalidArgument, "nothing is given for {{" + name + "}}"};
    }
    texts.push_back(found->second);
  }
  return render_in_order(texts);
}

Result<Prompt> PromptTemplate::render_in_order(const std::vector<std::string_view>& texts) const {
  if (texts.size() != names_.size()) {
    return Error{ErrorCode::kInvalidArgument, "the template has " + std::to_string(names_.size()) +
                                                  " inputs, but " + std::to_string(texts.size()) +
                                                  " are given"};
  }
  Prompt prompt;
  for (const Piece& piece : pieces_) {
    const bool is_place = piece.input != kText;
    const std::string_view text = is_place ? texts[piece.input] : std::string_view(piece.text);
    if (text.empty()) continue;
    if (text.size() > kPromptBytesMax - prompt.text.size()) {
      return Error{ErrorCode::kResourceExhausted, "the prompt is larger than 64 MiB"};
    }
    const std::size_t begin = prompt.text.size();
    prompt.text += text;
    prompt.spans.push_back({begin, prompt.text.size(), is_place ? names_[piece.input] : ""});
  }
  return prompt;
}

}  // namespace weft::planner
