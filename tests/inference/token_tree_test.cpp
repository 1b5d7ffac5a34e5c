// Trees of continuations beside their slow twin, each path read alone.

#include "inference/token_tree.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "inference/backend.h"
#include "inference/hooks.h"
#include "inference/session.h"
#include "inference/tree_branches.h"
#include "tests/fakes/counting_backend.h"
#include "tests/fakes/reference_backend.h"
#include "tests/inference/engine_fixture.h"

namespace weft::inference {
namespace {

using Row = std::vector<float>;
using Rows = std::map<std::size_t, Row>;

std::optional<std::size_t> none() { return std::nullopt; }

TokenTree random_tree(std::mt19937& random, std::size_t nodes) {
  TokenTree tree;
  for (std::size_t i = 0; i < nodes; ++i) {
    // Mostly behind one of the last few, so that it gets deep; at times from the root.
    const std::size_t back = 1 + random() % 4;
    const bool is_root = back > i || random() % 12 == 0;
    tree.add(static_cast<TokenId>(random() % 250), is_root ? TokenTree::kRoot : i - back);
  }
  return tree;
}

Rows read(Session& session, const TokenTree& tree,
          const std::function<std::optional<std::size_t>()>& choose = none) {
  Rows rows;
  REQUIRE(session.append_tree(
      tree,
      [&](std::size_t node, std::span<const float> logits) {
        CHECK(rows.count(node) == 0);
        CHECK((tree.parents[node] == TokenTree::kRoot || rows.count(tree.parents[node]) == 1));
        rows[node] = Row(logits.begin(), logits.end());
      },
      choose));
  return rows;
}

Row after(const Session& session, std::span<const TokenId> path) {
  auto fork = session.fork();
  REQUIRE(fork.append(path));
  return {fork.logits().begin(), fork.logits().end()};
}

Session session_of(const std::shared_ptr<const Model>& model, std::span<const TokenId> ids) {
  auto session = Session::open(model).value();
  if (!ids.empty()) REQUIRE(session.append(ids));
  return session;
}

TEST_CASE("a tree is cut into the fewest ways down, each from where it leaves an earlier one") {
  //  0 - 1 - 3        5
  //    \ 2 - 4
  TokenTree tree;
  tree.add(10);
  tree.add(11, 0);
  tree.add(12, 0);
  tree.add(13, 1);
  tree.add(14, 2);
  tree.add(15);
  CHECK(tree.path(4) == std::vector<TokenId>{10, 12, 14});
  CHECK(tree.depth() == 3);
  const auto branches = branches_of(tree);
  REQUIRE(branches.size() == 3);
  CHECK(branches[0].ids == std::vector<TokenId>{10, 11, 13});
  CHECK_FALSE(branches[0].fork);
  CHECK(branches[1].nodes == std::vector<std::size_t>{2, 4});
  CHECK(branches[1].fork == Slice::Fork{0, 1});
  CHECK(branches[2].ids == std::vector<TokenId>{15});
  CHECK_FALSE(branches[2].fork);
}

TEST_CASE("each node of a tree has the bits of its path alone") {
  std::mt19937 random(11);
  for (const char* architecture : {"llama", "gemma3"}) {
    const TemporaryModel file(fakes::TinyModelOptions{.architecture = architecture});
    Rows known;  // at the first level and number of threads
    for (const char* name : {"scalar", "avx2", "avx512vnni"}) {
      const auto level = cpu::choose_level(name);
      if (!level) continue;
      for (const std::size_t threads : {1UL, 2UL}) {
        INFO(architecture << ", " << name << ", " << threads << " threads");
        const auto model = file.load(*cpu_backend(threads, *level, {.yield_to_load = false}));
        std::mt19937 same(5);
        auto fixed = session_of(model, some_ids(same, 61));
        const auto found = read(fixed, random_tree(same, 20));
        if (known.empty()) known = found;
        CHECK(found == known);
        if (*level == cpu::Level::kScalar && threads == 2) continue;  // slow
        // Borders of blocks, and of gemma3's windows of 24.
        for (const std::size_t prefix : {0UL, 20UL, 63UL, 64UL, 130UL}) {
          auto session = session_of(model, some_ids(random, prefix));
          const auto tree = random_tree(random, 1 + random() % 40);
          const auto rows = read(session, tree);
          CHECK(rows.size() == tree.ids.size());
          CHECK(session.tokens().size() == prefix);
          for (const auto& [node, row] : rows) {
            INFO("node " << node << " after " << prefix << " tokens");
            CHECK(row == after(session, tree.path(node)));
          }
        }
      }
    }
  }
}

TEST_CASE("the path that is kept is as if it had been appended") {
  std::mt19937 random(3);
  for (const KvType kv : {KvType::kF16, KvType::kQ8_0}) {
    const auto alive = std::make_shared<std::atomic<std::size_t>>(0);
    const auto model = tiny(
        {},
        *fakes::counting_backend(
            cpu::make_backend(cpu::best_level(), std::make_shared<cpu::ThreadPool>(2), kv), alive));
    for (int i = 0; i < 6; ++i) {
      const auto prompt = some_ids(random, 50 + random() % 30);
      const auto tree = random_tree(random, 30);
      const std::size_t kept = random() % 30;
      auto session = session_of(model, prompt);
      read(session, tree, [&] { return kept; });
      auto twin = session_of(model, prompt);
      REQUIRE(twin.append(tree.path(kept)));
      CHECK(std::ranges::equal(session.tokens(), twin.tokens()));
      CHECK(std::ranges::equal(session.logits(), twin.logits()));
      CHECK(session.has_read(twin.tokens()));
      // Nothing of the other paths is left.
      const std::size_t block = model->weights().open_runner().value()->kv_memory()->block_bytes();
      CHECK(*alive == (session.kv_bytes() + twin.kv_bytes()) / block);
      const auto more = some_ids(random, 70);
      REQUIRE(session.append(more));
      REQUIRE(twin.append(more));
      CHECK(std::ranges::equal(session.logits(), twin.logits()));
    }
    CHECK(*alive == 0);
  }
}

TEST_CASE("trees are read with the session's hooks") {
  const auto model = tiny(fakes::TinyModelOptions{.layers = 3}, *cpu_backend(2));
  std::mt19937 random(7);
  const auto prompt = some_ids(random, 90);
  const auto tree = random_tree(random, 25);
  std::size_t rows_seen = 0;
  Hooks hooks;
  hooks.attention = {.window = 40, .sinks = 4};
  hooks.positions = {.scale = 0.5F};
  hooks.program = {2, 0};
  hooks.taps.push_back({.layer = 0, .point = TapPoint::kLayerOut, .read = [&](const TapRows& rows) {
                          rows_seen += rows.values.size() / rows.width;
                        }});
  const auto shared = std::make_shared<const Hooks>(hooks);
  auto session = Session::open(model).value();
  const auto scope = session.attach(shared).value();
  REQUIRE(session.append(prompt));
  CHECK(rows_seen == 90);
  const auto rows = read(session, tree);
  CHECK(rows_seen == 90 + 25);
  for (const auto& [node, row] : rows) {
    auto twin = Session::open(model).value();
    const auto of_twin = twin.attach(shared).value();
    REQUIRE(twin.append(prompt));
    REQUIRE(twin.append(tree.path(node)));
    CHECK(std::ranges::equal(row, twin.logits()));
  }
}

TEST_CASE("trees that can't be read are refused, and leave the session as it was") {
  const auto model = tiny({}, *cpu_backend(1));
  auto session = Session::open(model, {.context_length_max = 10}).value();
  REQUIRE(session.append(std::vector<TokenId>{1, 2, 3}));
  const Row before(session.logits().begin(), session.logits().end());
  const auto refused = [&](const TokenTree& tree,
                           const std::function<std::optional<std::size_t>()>& choose = none) {
    return session
        .append_tree(
            tree, [](std::size_t, std::span<const float>) {}, choose)
        .error();
  };
  CHECK(refused({}).code == ErrorCode::kInvalidArgument);
  CHECK(refused({{1, 2}, {TokenTree::kRoot}}).message.find("1 parents") != std::string::npos);
  CHECK(refused({{1, 2}, {TokenTree::kRoot, 1}}).message.find("node 1 is node 1") !=
        std::string::npos);
  CHECK(refused({{1, 9999}, {TokenTree::kRoot, 0}}).code == ErrorCode::kInvalidArgument);
  TokenTree wide;
  for (std::size_t i = 0; i < kStepTokensMax; ++i) wide.add(static_cast<TokenId>(i % 200));
  read(session, wide);  // a path of one token each
  wide.add(1);
  CHECK(refused(wide).message.find("257 tokens") != std::string::npos);
  TokenTree deep;
  for (std::size_t i = 0; i < 8; ++i) deep.add(1, i == 0 ? TokenTree::kRoot : i - 1);
  CHECK(refused(deep).code == ErrorCode::kResourceExhausted);
  CHECK(refused({{1}, {TokenTree::kRoot}}, [] { return std::size_t{1}; }).message.find("node 1") !=
        std::string::npos);
  CHECK(session.tokens().size() == 3);
  CHECK(std::ranges::equal(session.logits(), before));

  const TemporaryModel file{fakes::TinyModelOptions{}};
  auto slow = Session::open(file.load(*fakes::reference_backend())).value();
  REQUIRE(slow.append(std::vector<TokenId>{1}));
  CHECK(slow.append_tree(
                {{1}, {TokenTree::kRoot}}, [](std::size_t, std::span<const float>) {}, none)
            .error()
            .code == ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace weft::inference
