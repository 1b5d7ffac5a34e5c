#include "inference/remote/embedding_codec.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "inference/remote/api_error.h"
#include "inference/remote/json_read.h"

namespace weft::inference {
namespace {

using Json = nlohmann::json;

Error wrong(const std::string& why) {
  return {ErrorCode::kCorrupt, "the server's embeddings are wrong: " + why};
}

Result<std::vector<float>> vector_of(const Json& json) {
  std::vector<float> vector;
  if (!json.is_array() || json.empty()) return wrong("an \"embedding\" is no list of numbers");
  vector.reserve(json.size());
  for (const Json& value : json) {
    const double number = value.is_number() ? value.get<double>() : NAN;
    if (!(std::abs(number) <= std::numeric_limits<float>::max())) {
      return wrong("an \"embedding\" holds what is no number");
    }
    vector.push_back(static_cast<float>(number));
  }
  return vector;
}

}  // namespace

Result<RemoteEmbeddings> read_embeddings(std::string_view body, std::size_t count) {
  const Json json = Json::parse(body, nullptr, false);
  constexpr int kOk = 200;
  if (member(json, "error") != nullptr) return to_error(read_api_error(kOk, json));
  const Json* data = member(json, "data");
  if (data == nullptr || !data->is_array() || data->size() != count) {
    return wrong("\"data\" is no list of " + std::to_string(count));
  }
  RemoteEmbeddings made;
  made.vectors.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Json& item = (*data)[i];
    const std::size_t index = count_member(item, "index").value_or(i);
    const Json* embedding = member(item, "embedding");
    if (index >= count || !made.vectors[index].empty() || embedding == nullptr) {
      return wrong("an item has no \"embedding\", or an \"index\" that can't be");
    }
    WEFT_TRY(vector, vector_of(*embedding));
    made.vectors[index] = std::move(vector);
  }
  for (const auto& vector : made.vectors) {
    if (vector.size() != made.vectors.front().size()) return wrong("their lengths differ");
  }
  if (const Json* usage = member(json, "usage")) {
    made.prompt_tokens = count_member(*usage, "prompt_tokens").value_or(0);
  }
  return made;
}

}  // namespace weft::inference
