#pragma once
// The model store with the parts it borrows, wired from the configuration.

#include <memory>

#include "base/clock.h"
#include "base/net/http_client.h"
#include "base/result.h"
#include "cli/context.h"
#include "inference/model_store.h"
#include "inference/package_source.h"

namespace weft::cli {

struct ModelUse {
  bool fetches = false;  // else the store has no network: libcurl takes time and memory to start
};

class ModelTools {
 public:
  static Result<std::unique_ptr<ModelTools>> open(const Context& context, const ModelUse& use = {});

  inference::ModelStore& store() noexcept { return store_; }

 private:
  ModelTools(const Context& context, std::unique_ptr<SystemClock> clock,
             std::unique_ptr<net::HttpClient> http);

  std::unique_ptr<SystemClock> clock_;
  std::unique_ptr<net::HttpClient> http_;
  inference::PipPackageSource packages_;
  inference::ModelStore store_;
};

}  // namespace weft::cli
