#pragma once
// Tool calls out of streamed pieces. Servers disagree about what names a call: the protocol gives
// each piece an index and the first one an id; some leave the index out or send null, some send 0
// for all, some give no ids, some send an id with each piece. An id is believed before an index.

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "base/result.h"
#include "inference/remote/chat_types.h"

namespace weft::inference {

class ToolCallBuilder {
 public:
  /// A list of pieces, or of whole calls: "tool_calls" of a delta or a message. What isn't a call
  /// is skipped. Errors: kCorrupt for more calls, or more bytes of arguments, than are allowed.
  Result<void> add(const nlohmann::json& pieces);

  /// The calls in the order in which they began; ids that the server left out are "call_0", ...,
  /// arguments that it left out "{}".
  std::vector<ToolCall> take();

 private:
  struct Building {
    ToolCall call;
    std::optional<std::size_t> index;
  };

  Result<void> add_piece(const nlohmann::json& piece);
  Building* find(const std::string& id, std::optional<std::size_t> index, const std::string& name);

  std::vector<Building> calls_;
  std::size_t argument_bytes_ = 0;
};

}  // namespace weft::inference
