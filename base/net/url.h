#pragma once
// A URL taken apart by the parser that will also dial it, so that the two can't disagree.

#include <cstdint>
#include <string>

#include "base/result.h"

namespace weft::net {

struct Url {
  std::string text;
  std::string scheme;  // "http" or "https"
  std::string host;    // without brackets
  std::uint16_t port = 0;

  std::string origin() const { return scheme + "://" + host + ":" + std::to_string(port); }
};

/// `reference` may be relative to `base`, which is empty or a URL.
/// Errors: kInvalidArgument for another scheme, a user or password, and what is malformed.
Result<Url> parse_url(const std::string& base, const std::string& reference);

}  // namespace weft::net
