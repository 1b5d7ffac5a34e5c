#include "tools/json_text.h"

#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace weft::tools {
namespace {

using Json = nlohmann::json;

/// Builds nothing: finds what a parse into a Json would hide (a key given twice, where the second
/// wins silently) or not survive (depth).
class Watcher : public nlohmann::json_sax<Json> {
 public:
  explicit Watcher(std::size_t depth_max) : depth_max_(depth_max) {}

  const std::string& why() const { return why_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    keys_.emplace_back();
    return is_shallow();
  }
  bool end_object() override { return keys_.pop_back(), true; }
  bool start_array(std::size_t) override {
    keys_.emplace_back();
    return is_shallow();
  }
  bool end_array() override { return keys_.pop_back(), true; }
  bool key(string_t& key) override {
    if (keys_.back().insert(key).second) return true;
    why_ = "the key \"" + key + "\" is given twice";
    return false;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& thrown) override {
    why_ = thrown.id == 406 ? "a number is too large for JSON's 64 bits"
                            : "it isn't valid JSON from byte " + std::to_string(position) + " on";
    return false;
  }

 private:
  bool is_shallow() {
    if (keys_.size() <= depth_max_) return true;
    why_ = "there are more than " + std::to_string(depth_max_) + " values inside one another";
    return false;
  }

  const std::size_t depth_max_;
  std::vector<std::set<std::string>> keys_;
  std::string why_;
};

}  // namespace

Result<Json> parse_json(std::string_view text, std::size_t depth_max) {
  Watcher watcher(depth_max);
  if (!Json::sax_parse(text, &watcher)) return Error{ErrorCode::kInvalidArgument, watcher.why()};
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

std::string shown(const Json& json, std::size_t bytes_max) {
  std::string text = json.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;  // not inside a character
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + "...";
}

}  // namespace weft::tools
