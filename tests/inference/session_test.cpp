#include "inference/session.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

#include "inference/sampler.h"
#include "tests/fakes/reference_forward.h"
#include "tests/inference/temporary_model.h"

namespace weft::inference {
namespace {

using fakes::TinyModelOptions;
using Rows = std::vector<std::vector<float>>;

std::vector<TokenId> text_ids(std::size_t n) {
  std::vector<TokenId> ids;
  for (std::size_t i = 0; i < n; ++i) ids.push_back(static_cast<TokenId>((i * 37 + 11) % 269));
  return ids;
}

Session open(const std::shared_ptr<const Model>& model) { return Session::open(model).value(); }

/// Logits after every token, read `chunk` tokens an append.
Rows all_logits(Session& session, std::span<const TokenId> ids, std::size_t chunk) {
  Rows rows;
  for (std::size_t i = 0; i < ids.size(); i += chunk) {
    const auto read = session.append_each(ids.subspan(i, std::min(chunk, ids.size() - i)), 0,
                                          [&](std::size_t, std::span<const float> row) {
                                            rows.emplace_back(row.begin(), row.end());
                                          });
    REQUIRE(read);
    CHECK(std::vector(session.logits().begin(), session.logits().end()) == rows.back());
  }
  return rows;
}

/// The root mean square of the error, over that of the reference.
double relative_error(const Rows& rows, const std::vector<std::vector<double>>& expected) {
  double error = 0;
  double size = 0;
  REQUIRE(rows.size() == expected.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    REQUIRE(rows[i].size() == expected[i].size());
    for (std::size_t j = 0; j < rows[i].size(); ++j) {
      error += std::pow(static_cast<double>(rows[i][j]) - expected[i][j], 2);
      size += std::pow(expected[i][j], 2);
    }
  }
  return std::sqrt(error / size);
}

TinyModelOptions options_for(const std::string& architecture, TensorType type) {
  TinyModelOptions options;
  options.architecture = architecture;
  options.splitter = architecture == "qwen2" ? "qwen2" : "smollm";
  options.type = type;
  if (block_shape(type).values == 256) {
    options.width = 256;
    options.ffn_width = 512;
  }
  // Heads wider than width / heads, as those of the files are.
  if (architecture == "qwen3" || architecture == "gemma3") {
    options.head_width = 2 * options.width / options.heads;
  }
  return options;
}

const std::string kArchitectures[] = {"llama", "qwen2", "qwen3", "gemma3"};

const TensorType kTypes[] = {TensorType::kF32,  TensorType::kF16,  TensorType::kBF16,
                             TensorType::kQ4_0, TensorType::kQ4_1, TensorType::kQ5_0,
                             TensorType::kQ5_1, TensorType::kQ8_0, TensorType::kQ4_K,
                             TensorType::kQ5_K, TensorType::kQ6_K};

TEST_CASE("logits equal the reference in double, for each architecture and format") {
  const auto ids = text_ids(70);  // more than one block of the cache
  for (const std::string& architecture : kArchitectures) {
    for (const TensorType type : kTypes) {
      const TemporaryModel file(options_for(architecture, type));
      auto session = open(file.load());
      const Rows rows = all_logits(session, ids, 64);
      const auto expected = fakes::reference_logits(*GgufFile::open(file.path()), ids);
      REQUIRE(expected);
      INFO(architecture << " " << to_string(type));
      // Keys and values are rounded to fp16 in all. BF16 weights meet BF16 activations, quantised
      // ones 8-bit activations, whose one scale for 256 values (K-quants) is coarser than for 32.
      const std::size_t block = block_shape(type).values;
      double tolerance = block == 256 ? 3.5e-2 : block == 32 ? 2e-2 : 1e-3;
      if (type == TensorType::kBF16) tolerance = 1e-2;
      CHECK(relative_error(rows, *expected) <= tolerance);
    }
  }
}

TEST_CASE("windows end where the reference ends them, also at the borders of cache blocks") {
  const auto ids = text_ids(200);
  for (const std::uint32_t window : {1U, 2U, 63U, 64U, 65U, 130U, 200U, 1000U}) {
    auto options = options_for("gemma3", TensorType::kF32);
    options.window = window;
    const TemporaryModel file(options);
    const auto model = file.load();
    const auto expected = fakes::reference_logits(*GgufFile::open(file.path()), ids);
    REQUIRE(expected);
    for (const std::size_t chunk : {1UL, 50UL, 200UL}) {
      INFO("window " << window << ", chunks of " << chunk);
      auto session = open(model);
      CHECK(relative_error(all_logits(session, ids, chunk), *expected) <= 1e-3);
    }
  }
}

TEST_CASE("logits are the same bits for any threads, chunks and level") {
#if defined(__SANITIZE_THREAD__)
  const auto ids = text_ids(24);  // what races does so at once, and every access is watched
#elif defined(__SANITIZE_ADDRESS__)
  const auto ids = text_ids(70);  // more than a block of the cache
#else
  const auto ids = text_ids(300);
#endif
  std::vector<cpu::Level> levels = {cpu::Level::kScalar};
  for (const char* name : {"avx2", "avx512vnni"}) {
    if (const auto level = cpu::choose_level(name)) levels.push_back(*level);
  }
  for (const std::string& architecture : kArchitectures) {
    for (const TensorType type : {TensorType::kF32, TensorType::kQ4_1, TensorType::kQ5_0,
                                  TensorType::kQ8_0, TensorType::kQ4_K, TensorType::kQ6_K}) {
      // What the newer ones add is the same for all formats.
      const bool is_new = architecture == "qwen3" || architecture == "gemma3";
      if (is_new && type != TensorType::kQ5_0) continue;
      INFO(architecture << " " << to_string(type));
      const TemporaryModel file(options_for(architecture, type));
      Rows expected;
      for (const cpu::Level level : levels) {
        for (const std::size_t threads : {1UL, 2UL, 3UL, 5UL}) {
          const auto model = file.load(*cpu_backend(threads, level, {.yield_to_load = false}));
          for (const std::size_t chunk : {1UL, 17UL, 512UL}) {
            if (level == cpu::Level::kScalar && chunk == 1 && threads > 1) continue;  // slow
            auto session = open(model);
            const Rows rows = all_logits(session, ids, chunk);
            if (expected.empty()) expected = rows;
            INFO("level " << to_string(level) << ", " << threads << " threads, chunks of "
                          << chunk);
            CHECK(rows == expected);
          }
        }
      }
    }
  }
}

TEST_CASE("append gives the logits that append_each gives last") {
  const auto model = tiny();
  const auto ids = text_ids(300);
  auto one = open(model);
  auto each = open(model);
  REQUIRE(one.append(ids));
  std::vector<std::size_t> seen;
  std::vector<float> last;
  REQUIRE(each.append_each(ids, 250, [&](std::size_t i, std::span<const float> row) {
    seen.push_back(i);
    last.assign(row.begin(), row.end());
  }));
  REQUIRE(seen.size() == 50);
  CHECK(seen.front() == 250);
  CHECK(seen.back() == 299);
  CHECK(std::vector(one.logits().begin(), one.logits().end()) == last);
  CHECK(std::vector(each.logits().begin(), each.logits().end()) == last);
}

TEST_CASE("forks and truncations give the logits of a session that read the same") {
  const auto model = tiny();
  const auto ids = text_ids(200);
  const auto fresh = [&](std::span<const TokenId> read) {
    auto session = open(model);
    REQUIRE(session.append(read));
    return std::vector(session.logits().begin(), session.logits().end());
  };
  const auto logits = [](const Session& session) {
    return std::vector(session.logits().begin(), session.logits().end());
  };
  auto session = open(model);
  REQUIRE(session.append(std::span(ids).first(100)));
  auto other = session.fork();
  CHECK(logits(other) == logits(session));
  const std::vector<TokenId> tail = {1, 2, 3};
  REQUIRE(other.append(tail));
  REQUIRE(session.append(std::span(ids).subspan(100)));
  CHECK(logits(session) == fresh(ids));
  std::vector<TokenId> with_tail(ids.begin(), ids.begin() + 100);
  with_tail.insert(with_tail.end(), tail.begin(), tail.end());
  CHECK(logits(other) == fresh(with_tail));

  for (const std::size_t keep : {0UL, 1UL, 64UL, 90UL, 128UL}) {
    auto cut = session.fork();
    REQUIRE(cut.truncate(keep));
    CHECK(cut.logits().empty());
    CHECK(cut.tokens().size() == keep);
    REQUIRE(cut.append(tail));
    std::vector<TokenId> expected(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(keep));
    expected.insert(expected.end(), tail.begin(), tail.end());
    CHECK(logits(cut) == fresh(expected));
  }
  CHECK(logits(session) == fresh(ids));
}

TEST_CASE("continuations are scored together as they are one by one") {
  const auto model = tiny();
  auto session = open(model);
  const auto ids = text_ids(70);
  const std::vector<std::vector<TokenId>> continuations = {{5},    {5, 6, 7},    text_ids(400),
                                                           {9, 9}, text_ids(64), {1, 2, 3, 4, 5}};
  CHECK(session.score(continuations).error().code == ErrorCode::kInvalidArgument);  // no logits
  REQUIRE(session.append(ids));
  const std::vector before(session.logits().begin(), session.logits().end());
  const auto scores = session.score(continuations);
  REQUIRE(scores);
  CHECK(std::vector(session.logits().begin(), session.logits().end()) == before);
  CHECK(session.tokens().size() == 70);
  REQUIRE(scores->size() == continuations.size());
  for (std::size_t i = 0; i < continuations.size(); ++i) {
    auto alone = session.fork();
    std::vector<float> expected;
    double sum = 0;
    for (const TokenId id : continuations[i]) {
      expected.push_back(log_probability(alone.logits(), id));
      sum += static_cast<double>(expected.back());
      REQUIRE(alone.append(std::span(&id, 1)));
    }
    CHECK(scores->at(i).log_probabilities == expected);
    CHECK(scores->at(i).sum_log_probability == sum);
  }
  CHECK(session.score({})->empty());
  CHECK(session.score(std::vector<std::vector<TokenId>>{{1}, {}}).error().code ==
        ErrorCode::kInvalidArgument);
}

TEST_CASE("what can't be read is refused and leaves the session as it was") {
  const auto model = tiny();
  auto session = Session::open(model, {.context_length_max = 10}).value();
  CHECK(session.context_length() == 10);
  CHECK(session.logits().empty());
  REQUIRE(session.append(text_ids(6)));
  const std::vector before(session.logits().begin(), session.logits().end());
  CHECK(session.append(std::vector<TokenId>()).error().code == ErrorCode::kInvalidArgument);
  CHECK(session.append(std::vector<TokenId>{1, -1}).error().code == ErrorCode::kInvalidArgument);
  CHECK(session.append(std::vector<TokenId>{272}).error().code == ErrorCode::kInvalidArgument);
  const auto full = session.append(text_ids(5));
  CHECK(full.error().code == ErrorCode::kResourceExhausted);
  CHECK(full.error().message.find("1 too many") != std::string::npos);
  CHECK(session.truncate(7).error().code == ErrorCode::kInvalidArgument);
  std::stop_source stop;
  stop.request_stop();
  CHECK(session.append(text_ids(2), stop.get_token()).error().code == ErrorCode::kCancelled);
  CHECK(session.tokens().size() == 6);
  CHECK(std::vector(session.logits().begin(), session.logits().end()) == before);
  REQUIRE(session.append(text_ids(4)));
  CHECK(Session::open(model, {.context_length_max = 513}).error().code ==
        ErrorCode::kInvalidArgument);
}

TEST_CASE("an append that is cancelled between chunks leaves nothing behind") {
  const auto model = tiny();
  auto session = open(model);
  std::stop_source stop;
  const auto ids = text_ids(400);
  const auto read = session.append_each(
      ids, 0, [&](std::size_t, std::span<const float>) { stop.request_stop(); }, stop.get_token());
  CHECK(read.error().code == ErrorCode::kCancelled);
  CHECK(session.tokens().empty());
  REQUIRE(session.append(std::span(ids).first(3)));
  auto fresh = open(model);
  REQUIRE(fresh.append(std::span(ids).first(3)));
  CHECK(std::vector(session.logits().begin(), session.logits().end()) ==
        std::vector(fresh.logits().begin(), fresh.logits().end()));
}

}  // namespace
}  // namespace weft::inference
