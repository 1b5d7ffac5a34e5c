#pragma once
// The answer of POST embeddings.

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "inference/remote/chat_types.h"

namespace weft::inference {

/// `count` vectors are expected, in the order of their "index". Errors: kCorrupt for anything else;
/// api_error.h's for an error sent as a body.
Result<RemoteEmbeddings> read_embeddings(std::string_view body, std::size_t count);

}  // namespace weft::inference
