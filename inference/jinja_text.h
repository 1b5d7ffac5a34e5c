#pragma once
// Strings of the template language: bytes that remember, run by run, whether they are the
// template's own (trusted) or came from a variable. Indices in expressions are code points, as in
// Python; here they are bytes.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::inference::jinja {

class Text {
 public:
  struct Run {
    std::size_t end;  // one past the run's last byte
    bool trusted;
  };

  Text() = default;
  Text(std::string bytes, bool trusted);

  void append(std::string_view bytes, bool trusted);
  void append(const Text& other);
  /// Bytes [begin, end), which must lie inside.
  Text slice(std::size_t begin, std::size_t end) const;
  /// `at` < size().
  bool trusted_at(std::size_t at) const;

  const std::string& bytes() const noexcept { return bytes_; }
  const std::vector<Run>& runs() const noexcept { return runs_; }
  std::size_t size() const noexcept { return bytes_.size(); }
  bool empty() const noexcept { return bytes_.empty(); }

 private:
  std::string bytes_;
  std::vector<Run> runs_;  // ends ascend; neighbours differ in trust
};

/// One code point. A byte that isn't UTF-8 counts as one, with the value 0xDC00 + byte.
struct CodePoint {
  std::uint32_t value;
  std::size_t size;  // bytes
};

CodePoint code_point_at(std::string_view text, std::size_t at) noexcept;  // at < text.size()
void append_utf8(std::string& out, std::uint32_t code_point);
std::size_t count_code_points(std::string_view text) noexcept;
/// The byte where code point `index` begins; text.size() past the end.
std::size_t byte_of_code_point(std::string_view text, std::size_t index) noexcept;

bool is_space(std::uint32_t code_point) noexcept;      // Python's str.isspace
bool is_printable(std::uint32_t code_point) noexcept;  // what repr() leaves as it is
bool is_letter(std::uint32_t code_point) noexcept;
/// Latin, Greek and Cyrillic; other scripts are returned as they are.
std::uint32_t to_upper(std::uint32_t code_point) noexcept;
std::uint32_t to_lower(std::uint32_t code_point) noexcept;

/// The byte range that is left without spaces at the ends that are asked for.
struct Trimmed {
  std::size_t begin;
  std::size_t end;
};
enum class Ends : std::uint8_t { kLeft, kRight, kBoth };
/// `characters`: the code points to remove; empty means white space.
Trimmed trim(std::string_view text, Ends ends, std::string_view characters = {});

}  // namespace weft::inference::jinja
