#include "inference/weights/importance_collector.h"

#include <memory>
#include <utility>

#include "inference/adapter/low_rank.h"
#include "inference/hooks.h"
#include "inference/weights/gguf_writer.h"

namespace weft::inference {
namespace {

/// Where what linear layers read can be tapped, and which do.
struct Site {
  TapPoint point;
  std::vector<Linear> readers;
};

std::vector<Site> sites() {
  return {{TapPoint::kAttentionNormOut, {Linear::kQ, Linear::kK, Linear::kV}},
          {TapPoint::kAttentionMix, {Linear::kAttentionOutput}},
          {TapPoint::kFfnNormOut, {Linear::kGate, Linear::kUp}},
          {TapPoint::kFfnActivation, {Linear::kDown}}};
}

void add_squares(const TapRows& rows, std::vector<double>& sums) {
  for (std::size_t i = 0; i < rows.values.size(); ++i) {
    const double value = rows.values[i];
    sums[i % rows.width] += value * value;
  }
}

/// The taps that fill `columns`, which must not move while they live.
Hooks hooks_for(const ModelConfig& config, std::vector<ColumnSquares>& columns) {
  Hooks hooks;
  const auto each_site = sites();
  columns.resize(config.layers * each_site.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::size_t layer = i / each_site.size();
    const Site& site = each_site[i % each_site.size()];
    for (const Linear linear : site.readers) {
      columns[i].tensors.push_back("blk." + std::to_string(layer) + "." +
                                   std::string(to_string(linear)) + ".weight");
    }
    columns[i].sums.resize(tap_width(site.point, config));
    hooks.taps.push_back(
        {.layer = layer,
         .point = site.point,
         .read = [&sums = columns[i].sums](const TapRows& rows) { add_squares(rows, sums); }});
  }
  return hooks;
}

}  // namespace

Result<CollectedImportance> collect_importance(Session& session, std::span<const TokenId> ids,
                                               const PerplexityOptions& options) {
  CollectedImportance collected{.columns = {}, .window = options.window, .text = {}};
  const auto hooks =
      std::make_shared<const Hooks>(hooks_for(session.model().config(), collected.columns));
  WEFT_TRY(scope, session.attach(hooks));
  WEFT_TRY(text, perplexity(session, ids, options));
  // The last token of each window isn't read: nobody asks what follows it.
  collected.tokens = text.nll_per_window.size() * (options.window - 1);
  collected.text = std::move(text);
  return collected;
}

Result<void> write_importance(const CollectedImportance& collected, const std::string& text_name,
                              const std::filesystem::path& path) {
  GgufMetadata metadata;
  metadata.set_string("general.type", "imatrix");
  metadata.set_strings("imatrix.datasets", {&text_name, 1});
  metadata.set_u32("imatrix.chunk_count",
                   static_cast<std::uint32_t>(collected.text.nll_per_window.size()));
  metadata.set_u32("imatrix.chunk_size", static_cast<std::uint32_t>(collected.window));
  std::vector<TensorSpec> specs;
  for (const auto& [tensors, sums] : collected.columns) {
    for (const std::string& tensor : tensors) {
      specs.push_back({tensor + ".in_sum2", TensorType::kF32, {sums.size()}});
      specs.push_back({tensor + ".counts", TensorType::kF32, {1}});
    }
  }
  WEFT_TRY(writer, GgufWriter::create(path, metadata, std::move(specs)));
  const float count = static_cast<float>(collected.tokens);
  for (const auto& [tensors, sums] : collected.columns) {
    const std::vector<float> values(sums.begin(), sums.end());
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      WEFT_TRY_VOID(writer.append(std::as_bytes(std::span(values))));
      WEFT_TRY_VOID(writer.append(std::as_bytes(std::span(&count, 1))));
    }
  }
  return writer.finish();
}

}  // namespace weft::inference
