#include "planner/patterns/parts.h"

#include <algorithm>
#include <charconv>

#include "planner/sorted_blocks.h"

namespace weft::planner {
namespace {

using Texts = std::vector<std::string>;
using Numbers = std::vector<double>;

constexpr std::size_t kWindowBytesMin = 6;

bool begins_number(const std::string& text, std::size_t at) {
  const auto is_digit = [&](std::size_t i) {
    return i < text.size() && text[i] >= '0' && text[i] <= '9';
  };
  return is_digit(at) || (text[at] == '-' && is_digit(at + 1));
}

Numbers numbers_in(const std::string& text) {
  Numbers found;
  for (std::size_t at = 0; at < text.size();) {
    double value = 0;
    if (begins_number(text, at)) {
      const auto [end, error] = std::from_chars(&text[at], text.data() + text.size(), value);
      if (error == std::errc()) found.push_back(value);
      at = static_cast<std::size_t>(end - text.data());
    } else {
      ++at;
    }
  }
  return found;
}

}  // namespace

FunctionPtr split_blocks_function(const BlockOptions& options) {
  return make_function<std::string>(
      [options](Ctx&, const std::string& text) { return split_blocks(text, options); });
}

FunctionPtr split_lines_function() {
  return make_function<std::string>(
      [](Ctx&, const std::string& text) { return split_lines(text); });
}

FunctionPtr sum_function() {
  return make_function<Numbers>([](Ctx&, const Numbers& numbers) {
    double sum = 0;
    for (const double number : numbers) sum += number;
    return sum;
  });
}

FunctionPtr parse_numbers_function(bool is_in_order) {
  return make_function<std::string>([is_in_order](Ctx&, const std::string& text) {
    Numbers found = numbers_in(text);
    return is_in_order ? in_order(std::move(found)) : found;
  });
}

FunctionPtr merge_sorted_function() {
  return make_function<std::vector<Numbers>>(
      [](Ctx&, const std::vector<Numbers>& blocks) { return merge_blocks(blocks); });
}

FunctionPtr known_function() {
  return make_function<Texts>([](Ctx&, const Texts& said) {
    Texts known;
    for (const std::string& each : said) {
      const std::string plain = normalised(each);
      if (!plain.empty() && plain != "unknown") known.push_back(each);
    }
    return known;
  });
}

BlockOptions windows(std::size_t bytes) {
  const std::size_t size = std::max(bytes, kWindowBytesMin);
  return {.bytes_max = size, .overlap = (size - 1) / 2};  // less than half, as blocks need
}

}  // namespace weft::planner
