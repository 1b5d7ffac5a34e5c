#include "inference/perplexity.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "tests/fakes/reference_forward.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

TEST_CASE("perplexity equals the definition over the reference's logits") {
  const TemporaryModel file{fakes::TinyModelOptions{}};
  auto session = Session::open(file.load()).value();
  std::vector<TokenId> ids;
  for (int i = 0; i < 75; ++i) ids.push_back((i * 31 + 7) % 269);
  constexpr std::size_t kWindow = 20;
  std::vector<std::size_t> reported;
  PerplexityOptions options;
  options.window = kWindow;
  options.on_window = [&](std::size_t done, std::size_t total) {
    reported.push_back(done);
    CHECK(total == 3);
  };
  const auto result = perplexity(session, ids, options);
  REQUIRE(result);
  CHECK(reported == std::vector<std::size_t>{1, 2, 3});
  CHECK(result->tokens == 3 * 9);  // positions 10..18 of each window predict the next
  REQUIRE(result->nll_per_window.size() == 3);

  const auto gguf = GgufFile::open(file.path());
  double total = 0;
  for (std::size_t w = 0; w < 3; ++w) {
    const auto window = std::span<const TokenId>(ids).subspan(w * kWindow, kWindow);
    const auto logits = fakes::reference_logits(*gguf, window);
    REQUIRE(logits);
    double nll = 0;
    for (std::size_t i = kWindow / 2; i + 1 < kWindow; ++i) {
      double sum = 0;
      for (const double logit : (*logits)[i]) sum += std::exp(logit);
      nll += std::log(sum) - (*logits)[i][static_cast<std::size_t>(window[i + 1])];
    }
    CHECK(result->nll_per_window[w] == Approx(nll).epsilon(1e-3));
    total += nll;
  }
  CHECK(result->nll == Approx(total).epsilon(1e-3));
  CHECK(result->perplexity == Approx(std::exp(total / 27)).epsilon(2e-3));

  options.windows_max = 1;
  options.on_window = {};
  const auto one = perplexity(session, ids, options);
  REQUIRE(one);
  CHECK(one->nll_per_window == std::vector<double>{result->nll_per_window[0]});
}

TEST_CASE("a text shorter than a window and windows that don't fit are refused") {
  auto session = Session::open(tiny()).value();
  const std::vector<TokenId> ids(100, 3);
  CHECK(perplexity(session, ids, {.window = 101}).error().code == ErrorCode::kInvalidArgument);
  CHECK(perplexity(session, ids, {.window = 3}).error().code == ErrorCode::kInvalidArgument);
  CHECK(perplexity(session, ids, {.window = 513}).error().code == ErrorCode::kInvalidArgument);
  PerplexityOptions options;
  options.window = 20;
  std::stop_source stop;
  stop.request_stop();
  options.stop = stop.get_token();
  CHECK(perplexity(session, ids, options).error().code == ErrorCode::kCancelled);
}

}  // namespace
}  // namespace weft::inference
