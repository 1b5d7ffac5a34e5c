#include "cli/models.h"

#include <utility>

#include "base/net/curl_http_client.h"

namespace weft::cli {

Result<std::unique_ptr<ModelTools>> ModelTools::open(const Context& context, const ModelUse& use) {
  auto clock = std::make_unique<SystemClock>();
  std::unique_ptr<net::HttpClient> http;
  if (!use.fetches || context.config.boolean("network.offline")) {
    http = std::make_unique<net::OfflineHttpClient>();
  } else {
    WEFT_TRY(client, net::CurlHttpClient::open(*clock, {}));
    http = std::move(client);
  }
  return std::unique_ptr<ModelTools>(new ModelTools(context, std::move(clock), std::move(http)));
}

ModelTools::ModelTools(const Context& context, std::unique_ptr<SystemClock> clock,
                       std::unique_ptr<net::HttpClient> http)
    : clock_(std::move(clock)),
      http_(std::move(http)),
      packages_({.environment = context.environment}),
      store_(*clock_, *http_, packages_, {.directory = context.data_home / "models"}) {}

}  // namespace weft::cli
