#pragma once
// A walk over a parsed HTML page. The parser is gumbo (HTML5's algorithm), seen by html_tree.cpp
// alone; its time, its memory and the depth of its tree are bounded whatever the page holds.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::retrieval {

/// An element while a visitor is shown it; borrowed until enter() returns.
class HtmlElement {
 public:
  virtual ~HtmlElement() = default;
  virtual std::string_view name() const = 0;  // "div"; empty for one HTML doesn't know
  /// The attribute's value; empty for one without a value, nothing if it isn't there.
  virtual std::optional<std::string_view> attribute(const char* name) const = 0;
};

class HtmlVisitor {
 public:
  virtual ~HtmlVisitor() = default;
  virtual bool enter(const HtmlElement& element) = 0;  // false: leaves out all that is inside
  virtual void leave(std::string_view name) = 0;       // for each enter() that was true
  virtual void text(std::string_view words) = 0;       // entities are resolved
};

struct HtmlLimits {
  std::size_t memory_bytes_max = 1U << 30;
  std::chrono::milliseconds timeout{20'000};
};

/// Shows the page to `visitor`, in document order. `html` is UTF-8.
/// Errors: kResourceExhausted, kDeadlineExceeded.
Result<void> walk_html(std::string_view html, const HtmlLimits& limits, HtmlVisitor& visitor);

/// A copy without the tags that would nest deeper than a parser with quadratic steps can bear, or
/// nothing if there are none, as in every page made for people. No text is lost.
std::optional<std::string> with_bounded_nesting(std::string_view html);

}  // namespace weft::retrieval
