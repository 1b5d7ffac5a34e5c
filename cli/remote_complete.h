#pragma once
// `weft complete` with a remote model: what is completed goes to its server.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cli/batch.h"
#include "cli/context.h"
#include "cli/remote.h"
#include "inference/chat_template.h"
#include "inference/generate.h"

namespace weft::cli {

struct RemotePrompt {
  std::vector<inference::ChatMessage> messages;
  std::string raw;  // where there are no messages: a text to be continued
  inference::GenerateOptions generate;
};

struct RemoteCompletion {
  std::string schema_file;  // that answers are held to; empty: none
  bool shows_thinking = false;
};

/// Prints the answer as it comes, or as JSON. Errors: those of RemoteModel; kCorrupt where the
/// server didn't hold the answer to the schema.
Result<ExitCode> complete_remotely(Context& context, const RemoteCompletion& options,
                                   const RemotePrompt& prompt);

/// The same for each line of `file`, several at once; `read` makes a line a prompt.
Result<ExitCode> complete_lines_remotely(
    Context& context, const RemoteCompletion& options, const std::string& file,
    const std::vector<std::string>& keys,
    const std::function<Result<RemotePrompt>(const BatchLine&)>& read);

}  // namespace weft::cli
