#pragma once
// Kept with every document: files indexed under another version are read again.

#include <string_view>

namespace weft::retrieval {

/// Raise it when a reader or the chunker makes something else of the same bytes.
inline constexpr std::string_view kReaderVersion = "1";

}  // namespace weft::retrieval
