#pragma once
// The remote model that --model remote:NAME names, wired from [remote.NAME] of the configuration.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/net/http_client.h"
#include "base/result.h"
#include "cli/context.h"
#include "inference/remote/remote_model.h"
#include "planner/price.h"

namespace weft::cli {

/// NAME, where model.name is remote:NAME.
std::optional<std::string> remote_name(const Config& config);

/// A remote model with what it borrows.
struct Remote {
  std::string name;  // as the user gave it: "remote:gpu"
  planner::Price price;
  std::size_t parallel = 1;  // lines of a batch that it is asked at once
  std::unique_ptr<SystemClock> clock;
  std::unique_ptr<net::HttpClient> http;
  std::unique_ptr<inference::RemoteModel> model;
};

/// The one that the configuration names; connects to nothing yet. Its address may be reached, be it
/// public or not: the user wrote it. Errors: kNotFound for an unknown name; kInvalidArgument for a
/// section without url, one that is no URL, or a key's variable that isn't set; kUnsupported for a
/// flag of the engine in this process.
Result<Remote> open_remote(const Context& context);

/// kUnsupported: "`flag`: remote:NAME can't do that".
Error remote_cannot(const Context& context, const std::string& flag,
                    inference::Capability capability);

}  // namespace weft::cli
