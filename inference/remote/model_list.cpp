#include "inference/remote/model_list.h"

#include <nlohmann/json.hpp>

#include "inference/remote/json_read.h"

namespace weft::inference {

Result<std::vector<std::string>> read_models(std::string_view body) {
  const nlohmann::json json = nlohmann::json::parse(body, nullptr, false);
  const nlohmann::json* data = member(json, "data");
  if (data == nullptr || !data->is_array()) {
    return Error{ErrorCode::kCorrupt,
                 "the server sent no list of models: see url of this remote model"};
  }
  std::vector<std::string> names;
  for (const nlohmann::json& item : *data) {
    std::string name = text_member(item, "id");
    if (!name.empty()) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace weft::inference
