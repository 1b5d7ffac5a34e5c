#pragma once
// The store of documents that the verbs share.

#include "base/result.h"
#include "cli/context.h"
#include "retrieval/collection_store.h"

namespace weft::cli {

/// Opens the store to read. Errors: kNotFound says that nothing was indexed yet.
Result<retrieval::CollectionStore> open_store(const Context& context);

/// How the configured stop words are taken.
retrieval::StopWords stop_words(const Config& config);

}  // namespace weft::cli
