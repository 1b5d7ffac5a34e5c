// Hundreds of damaged copies of small adapters: each is either refused with a reason or reads as
// modules of the model's shapes, finite and of a bounded rank.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <iostream>
#include <random>
#include <string>

#include "inference/adapter/adapter.h"
#include "tests/fakes/temp_dir.h"
#include "tests/fakes/tiny_adapter.h"
#include "tests/fuzz/rounds.h"

namespace weft::inference {
namespace {

const ModelConfig kModel = {.layers = 1,
                            .width = 16,
                            .ffn_width = 16,
                            .heads = 1,
                            .kv_heads = 1,
                            .head_width = 16,
                            .rope_pairing = RopePairing::kNeighbours};

/// What is wrong with what was read.
std::string fault(const Result<Adapter>& read) {
  if (!read) return read.error().message.empty() ? "refused without a reason" : "";
  for (const auto& [change, scale] : read->modules) {
    const LinearShape shape = linear_shape(change.linear, kModel);
    if (change.layer != 0 || change.rank == 0 || change.rank > kAdapterRankMax ||
        change.a.size() != change.rank * shape.columns ||
        change.b.size() != change.rank * shape.rows) {
      return "a module of another shape";
    }
    const auto is_finite = [](float value) { return std::isfinite(value); };
    if (!std::isfinite(scale) || !std::ranges::all_of(change.a, is_finite) ||
        !std::ranges::all_of(change.b, is_finite)) {
      return "a value that isn't finite";
    }
  }
  return "";
}

TEST_CASE("damaged adapters are refused with a reason or fit the model") {
  const Adapter adapter =
      fakes::tiny_adapter(kModel, {.linears = {Linear::kQ, Linear::kDown}, .rank = 2});
  const std::string settings =
      R"({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "use_rslora": false, "bias": "none",)"
      R"( "rank_pattern": {"q_proj": 2}, "alpha_pattern": {"x": 3.5}, "modules_to_save": null})";
  const auto settings_bytes = std::as_bytes(std::span(settings));
  const fakes::Bytes files[] = {fakes::adapter_gguf(adapter, kModel, 4).build().bytes,
                                fakes::adapter_safetensors(adapter, kModel).build(),
                                {settings_bytes.begin(), settings_bytes.end()}};
  const test::TempDir folder;
  const std::filesystem::path paths[] = {folder / "a.gguf", folder / "adapter_model.safetensors",
                                         folder / "adapter_config.json"};
  for (std::size_t i = 0; i < 3; ++i) fakes::write_file(paths[i], files[i]);
  std::size_t refused = 0, accepted = 0;
  test::Rounds rounds("adapters", {.inputs_min = 300});
  while (rounds.next()) {
    CAPTURE(rounds.seed());
    std::mt19937_64 random(rounds.seed());
    const std::size_t file = random() % 3;
    fakes::Bytes mutant = files[file];
    for (std::size_t flips = 1 + random() % 3; flips > 0; --flips) {
      mutant[random() % mutant.size()] = static_cast<std::byte>(random());
    }
    if (random() % 8 == 0) mutant.resize(random() % mutant.size());
    fakes::write_file(paths[file], mutant);
    const auto read = read_adapter(file == 0 ? paths[0] : folder.path(), kModel);
    if (!fault(read).empty()) FAIL_CHECK(fault(read));
    ++(read ? accepted : refused);
    fakes::write_file(paths[file], files[file]);
  }
  std::cout << refused << " damaged adapters refused, " << accepted << " accepted\n";
  CHECK(refused > 100);
  CHECK(accepted > 20);  // damage to a value is none to the form
}

}  // namespace
}  // namespace weft::inference
