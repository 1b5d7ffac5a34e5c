#pragma once
// Makes an importance matrix: while a model reads a text, what meets the columns of each linear
// layer's weight is squared and summed. The windows are those of perplexity(), which therefore
// comes along. Source of the idea and of the file's format: llama.cpp's imatrix tool, 2025.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "inference/perplexity.h"
#include "inference/session.h"
#include "inference/token.h"

namespace weft::inference {

/// Of the weights that read the same: q, k and v, say.
struct ColumnSquares {
  std::vector<std::string> tensors;  // "blk.0.attn_q.weight", ...
  std::vector<double> sums;          // of each column's squares
};

struct CollectedImportance {
  std::vector<ColumnSquares> columns;
  std::uint64_t tokens = 0;  // that were read: rows behind each sum
  std::size_t window = 0;
  Perplexity text;
};

/// Reads `ids` as perplexity() does, with taps; the embedding and the output matrix have no sums.
/// Errors: those of perplexity(); kInvalidArgument if hooks are attached to the session.
Result<CollectedImportance> collect_importance(Session& session, std::span<const TokenId> ids,
                                               const PerplexityOptions& options = {});

/// The file that ImportanceMatrix::open() reads, and llama.cpp's tools; `text_name` says in it what
/// was read. Errors: those of GgufWriter.
Result<void> write_importance(const CollectedImportance& collected, const std::string& text_name,
                              const std::filesystem::path& path);

}  // namespace weft::inference
