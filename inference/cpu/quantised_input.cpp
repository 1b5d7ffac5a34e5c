#include "inference/cpu/quantised_input.h"

namespace weft::inference::cpu {

void QuantisedInput::prepare(Level level, unsigned kinds, std::size_t rows, std::size_t columns,
                             const AdapterRows& adapted) {
  kinds_ = kinds;
  adapted_ = &adapted;
  const auto groups = adapted.groups();
  if (adapted_forms_.size() < groups.size()) adapted_forms_.resize(groups.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    adapted_forms_[i].prepare(level, ActivationKind::kFloat, groups[i].rows.size(), columns);
  }
  for (std::size_t i = 0; i < forms_.size(); ++i) {
    if ((kinds & (1U << i)) != 0) {
      forms_[i].prepare(level, static_cast<ActivationKind>(i), rows, columns);
    }
  }
}

void QuantisedInput::set_row(std::size_t row, const float* x) noexcept {
  for (std::size_t i = 0; i < forms_.size(); ++i) {
    if ((kinds_ & (1U << i)) != 0) forms_[i].set_row(row, x);
  }
  if (adapted_->empty()) return;
  adapted_->at(
      row, [&](std::size_t group, std::size_t index) { adapted_forms_[group].set_row(index, x); });
}

}  // namespace weft::inference::cpu
