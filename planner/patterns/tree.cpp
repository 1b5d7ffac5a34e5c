#include "planner/patterns/tree.h"

#include <algorithm>

#include "planner/nodes/text.h"

namespace weft::planner {

using Texts = std::vector<std::string>;

FunctionPtr group_function(const TreeOptions& options) {
  const std::size_t size = std::max<std::size_t>(2, options.fan_in);
  return make_function<Texts>([size, separator = options.separator](Ctx&, const Texts& texts) {
    Texts groups;
    for (std::size_t i = 0; i < texts.size(); i += size) {
      const auto begin = texts.begin() + static_cast<std::ptrdiff_t>(i);
      const auto count = static_cast<std::ptrdiff_t>(std::min(size, texts.size() - i));
      groups.push_back(join(Texts(begin, begin + count), separator));
    }
    return groups;
  });
}

FunctionPtr is_one_function() {
  return make_function<Texts>([](Ctx&, const Texts& made) { return made.size() <= 1; });
}

FunctionPtr only_text_function() {
  return make_function<Texts>([](Ctx&, const Texts& made) -> Result<std::string> {
    if (made.size() == 1) return made[0];
    return Error{ErrorCode::kInvalidArgument,
                 "the tree ends with " + std::to_string(made.size()) + " texts, not with one"};
  });
}

}  // namespace weft::planner
