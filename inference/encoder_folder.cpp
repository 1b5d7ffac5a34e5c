// An encoder as the sentence-transformers project publishes them: a folder of a safetensors file
// and JSON files that say how to use it.

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "inference/encoder_files.h"
#include "inference/safetensors.h"

namespace weft::inference {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::size_t kConfigBytesMax = 1 << 20;
constexpr std::size_t kVocabularyBytesMax = 64 << 20;
constexpr std::size_t kPrefixBytesMax = 4096;

/// A whole file; nothing if there is none.
Result<std::optional<std::string>> read_file(const fs::path& path, std::size_t bytes_max) {
  std::error_code error;
  if (!fs::exists(path, error)) return std::optional<std::string>();
  const auto size = fs::file_size(path, error);
  if (error) return Error{ErrorCode::kIo, "cannot examine " + path.string()};
  if (size > bytes_max) {
    return Error{ErrorCode::kResourceExhausted, path.filename().string() + " has " +
                                                    std::to_string(size) + " bytes, the limit is " +
                                                    std::to_string(bytes_max)};
  }
  std::string text(size, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(size));
  if (!file) return Error{ErrorCode::kIo, "cannot read " + path.string()};
  return std::optional(std::move(text));
}

/// One of the folder's JSON files with typed access; without the file every value is absent.
class JsonFile {
 public:
  static Result<JsonFile> read(const fs::path& folder, const std::string& name,
                               std::size_t bytes_max = kConfigBytesMax) {
    WEFT_TRY(text, read_file(folder / name, bytes_max));
    if (!text) return JsonFile(name, Json(), false);
    Json json = Json::parse(*text, nullptr, false);
    if (json.is_discarded()) return Error{ErrorCode::kCorrupt, name + " isn't JSON"};
    return JsonFile(name, std::move(json), true);
  }

  bool is_there() const noexcept { return is_there_; }
  const Json& json() const noexcept { return json_; }

  const Json* find(const std::string& key) const {
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  Result<std::string> string(const std::string& key, const std::string& fallback) const {
    const Json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_string()) return wrong_type(key, "a string");
    return value->get<std::string>();
  }
  Result<bool> boolean(const std::string& key, bool fallback) const {
    const Json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) return wrong_type(key, "true or false");
    return value->get<bool>();
  }
  Result<std::optional<std::size_t>> count(const std::string& key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::optional<std::size_t>();
    if (!value->is_number_unsigned()) return wrong_type(key, "a whole number");
    return std::optional(value->get<std::size_t>());
  }
  Result<std::size_t> needed_count(const std::string& key) const {
    WEFT_TRY(value, count(key));
    if (value) return *value;
    return Error{ErrorCode::kCorrupt, name_ + " has no \"" + key + "\""};
  }
  Result<double> number(const std::string& key, double fallback) const {
    const Json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_number()) return wrong_type(key, "a number");
    return value->get<double>();
  }
  /// The file holds something that doesn't run here.
  Error refuse(const std::string& what) const {
    return Error{ErrorCode::kUnsupported, name_ + ": " + what};
  }

 private:
  JsonFile(std::string name, Json json, bool is_there)
      : name_(std::move(name)), json_(std::move(json)), is_there_(is_there) {}

  Error wrong_type(const std::string& key, const char* wanted) const {
    return Error{ErrorCode::kCorrupt, name_ + ": \"" + key + "\" isn't " + wanted};
  }

  std::string name_;
  Json json_;
  bool is_there_;
};

Result<EncoderConfig> read_config(const fs::path& folder) {
  WEFT_TRY(file, JsonFile::read(folder, "config.json"));
  if (!file.is_there()) {
    return Error{ErrorCode::kNotFound, "the folder has no config.json: it isn't a model's"};
  }
  WEFT_TRY(type, file.string("model_type", ""));
  if (type != "bert") {
    return file.refuse("the model_type is '" + type +
                       "', which isn't an encoder that runs here: bert does");
  }
  WEFT_TRY(activation, file.string("hidden_act", "gelu"));
  if (activation != "gelu") {
    return file.refuse("the activation (hidden_act) is '" + activation + "'; gelu runs here");
  }
  WEFT_TRY(positions, file.string("position_embedding_type", "absolute"));
  WEFT_TRY(decoder, file.boolean("is_decoder", false));
  if (positions != "absolute" || decoder) {
    return file.refuse(decoder ? "it is a decoder (is_decoder)"
                               : "the position_embedding_type is '" + positions +
                                     "'; absolute runs here");
  }
  EncoderConfig config;
  const std::pair<const char*, std::size_t*> counts[] = {
      {"num_hidden_layers", &config.layers},    {"hidden_size", &config.width},
      {"intermediate_size", &config.ffn_width}, {"num_attention_heads", &config.heads},
      {"vocab_size", &config.vocabulary},       {"max_position_embeddings", &config.positions}};
  for (const auto& [key, count] : counts) {
    WEFT_TRY(value, file.needed_count(key));
    *count = value;
  }
  WEFT_TRY(epsilon, file.number("layer_norm_eps", 1e-12));
  config.norm_epsilon = static_cast<float>(epsilon);
  WEFT_TRY_VOID(check(config));
  return config;
}

/// WordPiece lowercases and takes accents off: a cased model would get other ids than it learned.
Result<void> refuse_cased(const JsonFile& file, const char* key) {
  WEFT_TRY(lowers, file.boolean(key, true));
  WEFT_TRY(strips, file.boolean("strip_accents", true));
  if (lowers && strips) return {};
  return file.refuse("the vocabulary is cased or keeps accents; uncased ones run here");
}

/// The lines of vocab.txt from tokenizer.json's {token: id}.
Result<std::string> lines_of(const JsonFile& tokenizer) {
  const Json& vocabulary = tokenizer.json().at("model").at("vocab");
  std::vector<const std::string*> tokens(vocabulary.size(), nullptr);
  for (const auto& [token, id] : vocabulary.items()) {
    const bool fits = id.is_number_unsigned() && id.get<std::size_t>() < tokens.size() &&
                      tokens[id.get<std::size_t>()] == nullptr;
    if (!fits || token.find('\n') != std::string::npos) {
      return Error{ErrorCode::kCorrupt, "tokenizer.json: the ids of the vocabulary aren't 0 to " +
                                            std::to_string(tokens.size() - 1) +
                                            ", each once, or a token has two lines"};
    }
    tokens[id.get<std::size_t>()] = &token;
  }
  std::string lines;
  for (const std::string* token : tokens) lines.append(*token) += '\n';
  return lines;
}

Result<void> check_tokenizer(const JsonFile& tokenizer) {
  const Json& json = tokenizer.json();
  const auto model = json.find("model");
  if (!json.is_object() || model == json.end() || !model->is_object() ||
      !model->contains("vocab") || !model->at("vocab").is_object()) {
    return Error{ErrorCode::kCorrupt, "tokenizer.json has no \"model\" with a \"vocab\""};
  }
  if (model->value("type", Json("WordPiece")) != "WordPiece") {
    return tokenizer.refuse("the model is " + model->at("type").dump() + "; WordPiece runs here");
  }
  const auto normalizer = json.find("normalizer");
  if (normalizer == json.end() || !normalizer->is_object()) return {};
  const bool lowers = normalizer->value("lowercase", Json(true)) != false;
  const bool strips = normalizer->value("strip_accents", Json()) != false;
  if (lowers && strips) return {};
  return tokenizer.refuse("the vocabulary is cased or keeps accents; uncased ones run here");
}

Result<WordPiece> read_vocabulary(const fs::path& folder) {
  WEFT_TRY(config, JsonFile::read(folder, "tokenizer_config.json"));
  WEFT_TRY_VOID(refuse_cased(config, "do_lower_case"));
  WEFT_TRY(tokenizer, JsonFile::read(folder, "tokenizer.json", kVocabularyBytesMax));
  if (tokenizer.is_there()) WEFT_TRY_VOID(check_tokenizer(tokenizer));
  WEFT_TRY(lines, read_file(folder / "vocab.txt", kVocabularyBytesMax));
  if (lines) return WordPiece::parse(*lines);
  if (!tokenizer.is_there()) {
    return Error{ErrorCode::kNotFound, "the folder has neither vocab.txt nor tokenizer.json"};
  }
  WEFT_TRY(listed, lines_of(tokenizer));
  return WordPiece::parse(listed);
}

/// Where modules.json puts the pooling, after checking that all modules run here.
Result<std::string> pooling_folder(const fs::path& folder) {
  WEFT_TRY(modules, JsonFile::read(folder, "modules.json"));
  std::string found = "1_Pooling";
  if (!modules.is_there()) return found;
  if (!modules.json().is_array()) return Error{ErrorCode::kCorrupt, "modules.json isn't a list"};
  for (const Json& module : modules.json()) {
    const bool is_module = module.is_object() && module.contains("type") &&
                           module.at("type").is_string() && module.contains("path") &&
                           module.at("path").is_string();
    if (!is_module) return Error{ErrorCode::kCorrupt, "modules.json has an entry without type"};
    const auto type = module.at("type").get<std::string>();
    if (type.ends_with(".Pooling")) {
      found = module.at("path").get<std::string>();
    } else if (!type.ends_with(".Transformer") && !type.ends_with(".Normalize")) {
      return modules.refuse("the module " + type + " doesn't run here");
    }
  }
  // A name, not a way to somewhere else.
  if (found.empty() || found.find('/') != std::string::npos || found.starts_with('.')) {
    return Error{ErrorCode::kCorrupt, "modules.json: the pooling's path is no folder's name"};
  }
  return found;
}

Result<std::optional<Pooling>> read_pooling(const fs::path& folder) {
  WEFT_TRY(subfolder, pooling_folder(folder));
  WEFT_TRY(file, JsonFile::read(folder, subfolder + "/config.json"));
  if (!file.is_there()) return std::optional<Pooling>();
  std::optional<Pooling> pooling;
  for (const auto& [key, value] : file.json().items()) {
    if (!key.starts_with("pooling_mode_") || value != true) continue;
    const bool known = key == "pooling_mode_mean_tokens" || key == "pooling_mode_cls_token";
    if (!known || pooling) return file.refuse(key + " doesn't run here, or not with another mode");
    pooling = key == "pooling_mode_cls_token" ? Pooling::kCls : Pooling::kMean;
  }
  return pooling;
}

struct Prefixes {
  std::string query;
  std::string document;
};

/// "prompts" of config_sentence_transformers.json: {"query": "...", "document": "..."}.
Result<Prefixes> read_prefixes(const fs::path& folder) {
  WEFT_TRY(file, JsonFile::read(folder, "config_sentence_transformers.json"));
  Prefixes prefixes;
  const Json* prompts = file.find("prompts");
  if (prompts == nullptr || !prompts->is_object()) return prefixes;
  const std::pair<const char*, std::string*> roles[] = {{"query", &prefixes.query},
                                                        {"document", &prefixes.document},
                                                        {"passage", &prefixes.document}};
  for (const auto& [name, prefix] : roles) {
    const auto found = prompts->find(name);
    if (found == prompts->end() || !found->is_string()) continue;
    *prefix = found->get<std::string>();
    if (prefix->size() > kPrefixBytesMax) return file.refuse("a prompt is longer than 4096 bytes");
  }
  return prefixes;
}

class FolderTensors final : public EncoderTensors {
 public:
  explicit FolderTensors(SafetensorsFile file) : file_(std::move(file)) {}

  std::string name(const EncoderTensor& tensor) const override {
    const std::string plain = encoder_tensor_name(EncoderNames::kHuggingFace, tensor);
    const SafetensorsTensor* found = find(tensor);
    return found == nullptr ? plain : found->name;
  }
  std::optional<Shape> shape(const EncoderTensor& tensor) const override {
    const SafetensorsTensor* found = find(tensor);
    if (found == nullptr || !found->type) return std::nullopt;
    return Shape{found->rows(), found->row_length()};
  }
  Result<void> read_rows(const EncoderTensor& tensor, std::uint64_t first, std::uint64_t count,
                         std::span<float> out) const override {
    const SafetensorsTensor* found = find(tensor);
    if (found == nullptr) return Error{ErrorCode::kNotFound, "no tensor " + name(tensor)};
    return file_.read_rows(*found, first, count, out);
  }

 private:
  // Models saved with a head on top have "bert." before all names; the first ones, converted from
  // TensorFlow, gamma and beta for the norms' weight and bias.
  const SafetensorsTensor* find(const EncoderTensor& tensor) const {
    const std::string plain = encoder_tensor_name(EncoderNames::kHuggingFace, tensor);
    const std::string stem = plain.substr(0, plain.rfind('.'));
    for (const std::string& name : {plain, stem + (tensor.is_bias ? ".beta" : ".gamma")}) {
      if (const auto* found = file_.tensor(name)) return found;
      if (const auto* found = file_.tensor("bert." + name)) return found;
    }
    return nullptr;
  }

  SafetensorsFile file_;
};

}  // namespace

Result<EncoderFiles> open_encoder_folder(const fs::path& folder, const fs::path& weights) {
  WEFT_TRY(config, read_config(folder));
  WEFT_TRY(vocabulary, read_vocabulary(folder));
  if (vocabulary.size() > config.vocabulary) {
    return Error{ErrorCode::kCorrupt, "the vocabulary has " + std::to_string(vocabulary.size()) +
                                          " tokens; config.json says " +
                                          std::to_string(config.vocabulary)};
  }
  WEFT_TRY(pooling, read_pooling(folder));
  WEFT_TRY(sentence, JsonFile::read(folder, "sentence_bert_config.json"));
  WEFT_TRY(tokens_max, sentence.count("max_seq_length"));
  WEFT_TRY(prefixes, read_prefixes(folder));
  WEFT_TRY(file, SafetensorsFile::open(weights));
  return EncoderFiles{.config = config,
                      .vocabulary = std::move(vocabulary),
                      .pooling = pooling,
                      .tokens_max = tokens_max,
                      .query_prefix = prefixes.query,
                      .document_prefix = prefixes.document,
                      .tensors = std::make_unique<FolderTensors>(std::move(file))};
}

}  // namespace weft::inference
