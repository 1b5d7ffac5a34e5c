// Two models to the sparse delta between them.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "inference/weights/merge_rules.h"
#include "inference/weights/sparse_delta.h"
#include "inference/weights/streamed_file.h"

namespace weft::inference {
namespace {

constexpr std::size_t kHeaderAlignment = 8;

class Differ {
 public:
  Differ(const TensorSource& base, const TensorSource& tuned, std::vector<std::size_t> indices,
         const DiffOptions& options)
      : base_(base), tuned_(tuned), indices_(std::move(indices)), options_(options) {
    for (const TensorInfo& tensor : base.tensors())
      total_ += 2 * tensor.rows() * tensor.row_length();
  }

  /// How much each tensor changes, and the smallest change that is kept of it.
  Result<Diff> measure() {
    Diff found;
    for (std::size_t i = 0; i < indices_.size(); ++i) {
      WEFT_TRY_VOID(find_threshold(i));
      const TensorInfo& tensor = base_.tensors()[i];
      Diff::Tensor measured{.name = tensor.name, .values = tensor.rows() * tensor.row_length()};
      double squares = 0;
      WEFT_TRY_VOID(each(i, [&](std::uint64_t, float before, float after) {
        const double delta = double{after} - before;
        squares += delta * delta;
        measured.largest = std::max(measured.largest, std::abs(delta));
        if (is_kept(i, before, after)) ++measured.changed;
      }));
      measured.root_mean_square = std::sqrt(squares / static_cast<double>(measured.values));
      if (!std::isfinite(measured.largest) || !std::isfinite(squares)) {
        return Error{ErrorCode::kUnsupported,
                     "tensor '" + tensor.name + "' has values that are no numbers"};
      }
      found.tensors.push_back(std::move(measured));
    }
    return found;
  }

  Result<void> write(const Diff& found, StreamedFile& file) {
    std::vector<std::byte> indices;
    std::vector<std::byte> values;
    for (std::size_t i = 0; i < indices_.size(); ++i) {
      if (found.tensors[i].changed == 0) {
        advance(found.tensors[i].values);
        continue;
      }
      indices.clear();
      values.clear();
      const bool is_wide = has_wide_indices(found.tensors[i]);
      WEFT_TRY_VOID(each(i, [&](std::uint64_t place, float before, float after) {
        if (!is_kept(i, before, after)) return;
        append(indices, &place, is_wide ? sizeof(std::int64_t) : sizeof(std::int32_t));
        const float value = options_.op == DeltaOp::kSet ? after : after - before;
        append(values, &value, sizeof value);
      }));
      WEFT_TRY_VOID(file.append(indices));
      WEFT_TRY_VOID(file.append(values));
    }
    return {};
  }

  /// The file's beginning, and the bytes of all of it.
  std::pair<std::string, std::uint64_t> header(const Diff& found) const {
    nlohmann::ordered_json json = {{"__metadata__",
                                    {{"format", "weft.sparse-delta"},
                                     {"op", std::string(to_string(options_.op))},
                                     {"base", options_.base}}}};
    std::uint64_t offset = 0;
    const auto add = [&](const std::string& name, const char* dtype, std::uint64_t count,
                         std::uint64_t bytes) {
      json[name] = {
          {"dtype", dtype}, {"shape", {count}}, {"data_offsets", {offset, offset + count * bytes}}};
      offset += count * bytes;
    };
    for (const Diff::Tensor& tensor : found.tensors) {
      if (tensor.changed == 0) continue;
      const bool is_wide = has_wide_indices(tensor);
      add(tensor.name + ".indices", is_wide ? "I64" : "I32", tensor.changed, is_wide ? 8 : 4);
      add(tensor.name + ".values", "F32", tensor.changed, sizeof(float));
    }
    std::string text = json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    text.resize((text.size() + kHeaderAlignment - 1) / kHeaderAlignment * kHeaderAlignment, ' ');
    const std::uint64_t size = text.size();
    std::string length(sizeof size, '\0');
    std::memcpy(length.data(), &size, sizeof size);
    return {length + text, length.size() + text.size() + offset};
  }

 private:
  static bool has_wide_indices(const Diff::Tensor& tensor) {
    return tensor.values > std::numeric_limits<std::int32_t>::max();
  }

  // The numbers are little-endian, as this machine's are (tensor_type.cpp asserts it).
  static void append(std::vector<std::byte>& bytes, const void* number, std::size_t size) {
    const std::size_t end = bytes.size();
    bytes.resize(end + size);
    std::memcpy(bytes.data() + end, number, size);
  }

  bool is_kept(std::size_t index, float before, float after) const {
    return before != after &&
           (thresholds_.empty() || std::abs(after - before) >= thresholds_[index]);
  }

  Result<void> find_threshold(std::size_t index) {
    if (options_.keep == 1) return {};
    MagnitudeThreshold threshold(options_.keep);
    const auto pass = [&](void (MagnitudeThreshold::*take)(std::span<const float>)) {
      return each_rows(index, [&](std::uint64_t) {
        for (std::size_t i = 0; i < before_.size(); ++i) before_[i] = after_[i] - before_[i];
        (threshold.*take)(before_);
      });
    };
    WEFT_TRY_VOID(pass(&MagnitudeThreshold::count));
    threshold.choose();
    WEFT_TRY_VOID(pass(&MagnitudeThreshold::refine));
    thresholds_.push_back(threshold.threshold());
    return {};
  }

  template <typename Use>
  Result<void> each_rows(std::size_t index, const Use& use) {
    const TensorInfo& tensor = base_.tensors()[index];
    const std::uint64_t step = rows_at_once(tensor);
    for (std::uint64_t first = 0; first < tensor.rows(); first += step) {
      if (options_.stop.stop_requested()) {
        return Error{ErrorCode::kCancelled, "cancelled; nothing is kept"};
      }
      const std::uint64_t count = std::min(step, tensor.rows() - first);
      before_.resize(count * tensor.row_length());
      after_.resize(before_.size());
      WEFT_TRY_VOID(base_.read_rows(index, first, count, before_));
      WEFT_TRY_VOID(tuned_.read_rows(indices_[index], first, count, after_));
      use(first * tensor.row_length());
    }
    return {};
  }

  template <typename Use>
  Result<void> each(std::size_t index, const Use& use) {
    return each_rows(index, [&](std::uint64_t start) {
      for (std::size_t i = 0; i < before_.size(); ++i) use(start + i, before_[i], after_[i]);
      advance(before_.size());
    });
  }

  void advance(std::uint64_t values) {
    done_ += values;
    if (options_.on_progress) options_.on_progress(std::min(done_, total_), total_);
  }

  const TensorSource& base_;
  const TensorSource& tuned_;
  std::vector<std::size_t> indices_;  // of the base's tensors in `tuned_`
  const DiffOptions& options_;
  std::vector<float> thresholds_;
  std::vector<float> before_;
  std::vector<float> after_;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
};

}  // namespace

Result<Diff> diff(const TensorSource& base, const TensorSource& tuned,
                  const std::filesystem::path& path, const DiffOptions& options) {
  if (!(options.keep > 0 && options.keep <= 1)) {
    return Error{ErrorCode::kInvalidArgument, "the share to keep must be in (0, 1]"};
  }
  WEFT_TRY(indices, match_tensors(base, tuned, "the other model"));
  Differ differ(base, tuned, std::move(indices), options);
  WEFT_TRY(found, differ.measure());
  if (path.empty()) return found;
  const auto [header, size_bytes] = differ.header(found);
  WEFT_TRY(file, StreamedFile::create(path, {.size_bytes = size_bytes}));
  WEFT_TRY_VOID(file.append(std::as_bytes(std::span(header))));
  WEFT_TRY_VOID(differ.write(found, file));
  WEFT_TRY_VOID(file.publish());
  found.size_bytes = size_bytes;
  return found;
}

}  // namespace weft::inference
