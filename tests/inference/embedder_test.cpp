#include "inference/embedder.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "inference/wordpiece.h"
#include "tests/fakes/temp_dir.h"
#include "tests/fakes/tiny_encoder.h"

namespace weft::inference {
namespace {

namespace fs = std::filesystem;
using fakes::TinyEncoder;

const std::vector<std::string_view> kTexts = {
    "the lease ends in june.", "", "a", "when does the lease end?",
    "renting, the leases and endings of the june in which the lease, the leases, ends"};

constexpr EmbedderPrecision kBoth[] = {EmbedderPrecision::kFloat32, EmbedderPrecision::kInt8};

TinyEncoder standard() { return fakes::tiny_encoder({}); }

/// A model's folder, spoilt or extended by `change` before it is opened.
using Change = std::function<void(const fs::path& folder)>;
Result<std::shared_ptr<const Embedder>> try_open(const EmbedderOptions& options,
                                                 const Change& change = {},
                                                 const TinyEncoder& encoder = standard()) {
  const test::TempDir folder;
  fakes::write_encoder_folder(folder.path(), encoder);
  if (change) change(folder.path());
  return Embedder::open(folder.path(), options);
}

std::shared_ptr<const Embedder> open(const EmbedderOptions& options, const Change& change = {}) {
  auto embedder = try_open(options, change);
  if (!embedder) FAIL(embedder.error().message);
  return *embedder;
}

EmbedderOptions with(EmbedderPrecision precision, cpu::Level level = cpu::best_level()) {
  EmbedderOptions options;
  options.precision = precision;
  options.level = level;
  return options;
}

Embeddings embed(const Embedder& embedder, std::span<const std::string_view> texts,
                 std::size_t threads = 1, EmbedRole role = EmbedRole::kDocument) {
  cpu::ThreadPool pool(threads);
  EmbedOptions options;
  options.role = role;
  auto made = embedder.embed(texts, pool, options);
  if (!made) FAIL(made.error().message);
  return *std::move(made);
}

double cosine(std::span<const float> a, const std::vector<double>& b) {
  double dot = 0;
  double aa = 0;
  double bb = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const auto value = static_cast<double>(a[i]);
    dot += value * b[i];
    aa += value * value;
    bb += b[i] * b[i];
  }
  return dot / std::sqrt(aa * bb);
}

std::vector<double> reference(const TinyEncoder& encoder, std::span<const TokenId> ids,
                              Pooling pooling) {
  const auto hidden = fakes::reference_hidden(encoder, ids);
  if (pooling == Pooling::kCls) return hidden.front();
  std::vector<double> sum(hidden.front().size(), 0);
  for (const auto& row : hidden) {
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += row[c];
  }
  return sum;
}

std::vector<TokenId> ids_of(const TinyEncoder& encoder, std::string_view text,
                            std::size_t tokens_max = 32) {
  std::string lines;
  for (const std::string& line : encoder.vocabulary) lines += line + "\n";
  const auto vocabulary = WordPiece::parse(lines);
  REQUIRE(vocabulary);
  auto ids = vocabulary->encode(text);
  if (ids.size() > tokens_max) {
    ids.resize(tokens_max);
    ids.back() = 3;  // [SEP]
  }
  return ids;
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// Puts `to` in place of `from`, which must be there, in a text file.
void replace(const fs::path& path, const std::string& from, const std::string& to) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  write(path, text.replace(at, from.size(), to));
}

void check_refused(ErrorCode code, const std::string& reason, const Change& change) {
  const auto embedder = try_open({}, change);
  REQUIRE_FALSE(embedder);
  INFO(embedder.error().message);
  CHECK(embedder.error().code == code);
  CHECK(embedder.error().message.find(reason) != std::string::npos);
}

TEST_CASE("embeddings agree with the double-precision reference in both precisions") {
  for (const std::uint64_t seed : {1, 2, 3}) {
    // A channel twenty times its neighbours, as trained encoders have them, and as there without
    // much say in where attention goes: else near ties in it decide.
    TinyEncoder encoder = fakes::tiny_encoder({.heads = seed == 2 ? 4U : 2U, .seed = seed});
    for (const char* norm : {"embeddings.LayerNorm", "encoder.layer.0.output.LayerNorm"}) {
      encoder.tensors.at(std::string(norm) + ".weight").values[7] *= 20;
    }
    for (auto& [name, tensor] : encoder.tensors) {
      if (!name.ends_with("query.weight") && !name.ends_with("key.weight")) continue;
      for (std::size_t i = 7; i < tensor.values.size();
           i += tensor.values.size() / tensor.shape[0]) {
        tensor.values[i] /= 20;
      }
    }
    for (const EmbedderPrecision precision : kBoth) {
      auto embedder = try_open(with(precision), {}, encoder);
      REQUIRE(embedder);
      const Embeddings made = embed(**embedder, kTexts);
      for (std::size_t i = 0; i < kTexts.size(); ++i) {
        const auto ids = ids_of(encoder, kTexts[i]);
        CHECK(made.tokens[i] == ids.size());
        const double cos = cosine(made.row(i), reference(encoder, ids, Pooling::kMean));
        CHECK(cos > (precision == EmbedderPrecision::kInt8 ? 0.998 : 0.9999999));
      }
    }
  }
}

TEST_CASE("an embedding has length 1") {
  const Embeddings made = embed(*open({}), kTexts);
  REQUIRE(made.size() == kTexts.size());
  CHECK(made.width == 64);
  for (std::size_t i = 0; i < made.size(); ++i) {
    double squares = 0;
    for (const float value : made.row(i)) squares += static_cast<double>(value * value);
    CHECK(squares == Approx(1).margin(1e-5));
  }
}

TEST_CASE("a text's embedding has the same bits in any batch, on any threads and CPU level") {
  for (const EmbedderPrecision precision : kBoth) {
    const auto plain = open(with(precision, cpu::Level::kScalar));
    const Embeddings expected = embed(*plain, kTexts);
    // Long enough for several passes, in another order each.
    std::vector<std::string_view> many;
    for (std::size_t i = 0; i < 100; ++i) many.push_back(kTexts[i * 7 % kTexts.size()]);
    for (const char* name : {"scalar", "avx2", "avx512vnni"}) {
      const auto level = cpu::choose_level(name);
      if (!level) continue;
      const auto embedder = open(with(precision, *level));
      for (const std::size_t threads : {1, 2, 3}) {
        INFO(name << ", " << threads << " threads");
        CHECK(same_bits(embed(*embedder, kTexts, threads).values, expected.values));
        const Embeddings batch = embed(*embedder, many, threads);
        for (std::size_t i = 0; i < many.size(); ++i) {
          CHECK(same_bits(batch.row(i), expected.row(i * 7 % kTexts.size())));
        }
      }
      for (std::size_t i = 0; i < kTexts.size(); ++i) {
        const Embeddings alone = embed(*embedder, std::span(&kTexts[i], 1));
        CHECK(same_bits(alone.values, expected.row(i)));
      }
    }
  }
}

TEST_CASE("what is beyond the model's limit is cut, counted, and closed with [SEP]") {
  const auto encoder = standard();
  const std::string text = [] {
    std::string words;
    for (int i = 0; i < 50; ++i) words += "lease ";
    return words;
  }();
  const auto embedder = open(with(EmbedderPrecision::kFloat32));
  CHECK(embedder->tokens_max() == 32);  // sentence_bert_config.json
  const std::string_view view = text;
  const Embeddings made = embed(*embedder, std::span(&view, 1));
  CHECK(made.tokens[0] == 32);
  CHECK(made.tokens_cut[0] == 52 - 32);
  CHECK(cosine(made.row(0), reference(encoder, ids_of(encoder, text), Pooling::kMean)) > 0.9999999);

  EmbedderOptions shorter = with(EmbedderPrecision::kFloat32);
  shorter.tokens_max = 5;
  const Embeddings five = embed(*open(shorter), std::span(&view, 1));
  CHECK(five.tokens[0] == 5);
  CHECK(five.tokens_cut[0] == 52 - 5);
  CHECK(cosine(five.row(0), reference(encoder, ids_of(encoder, text, 5), Pooling::kMean)) >
        0.9999999);
}

TEST_CASE("without sentence_bert_config.json the limit is the number of positions") {
  const auto embedder =
      open({}, [](const fs::path& folder) { fs::remove(folder / "sentence_bert_config.json"); });
  CHECK(embedder->tokens_max() == 48);
}

TEST_CASE("a limit that the model can't keep is refused") {
  for (const std::size_t limit : {2, 49}) {
    EmbedderOptions options;
    options.tokens_max = limit;
    const auto embedder = try_open(options);
    REQUIRE_FALSE(embedder);
    CHECK(embedder.error().code == ErrorCode::kInvalidArgument);
  }
}

TEST_CASE("queries and documents get the prefixes of the model's files, or of the options") {
  const Change prompts = [](const fs::path& folder) {
    write(folder / "config_sentence_transformers.json",
          R"({"prompts": {"query": "the lease ", "document": ""}})");
  };
  const auto embedder = open({}, prompts);
  CHECK(embedder->query_prefix() == "the lease ");
  const std::string_view rest = "ends";
  const std::string_view whole = "the lease ends";
  const auto query = embed(*embedder, std::span(&rest, 1), 1, EmbedRole::kQuery);
  CHECK(same_bits(query.values, embed(*embedder, std::span(&whole, 1)).values));
  CHECK_FALSE(same_bits(query.values, embed(*embedder, std::span(&rest, 1)).values));

  EmbedderOptions own;
  own.query_prefix = "";
  own.document_prefix = "the lease ";
  const auto other = open(own, prompts);
  const auto document = embed(*other, std::span(&rest, 1));
  CHECK(same_bits(document.values, query.values));
}

TEST_CASE("CLS pooling takes the first token's row") {
  const auto encoder = standard();
  const auto embedder = open(with(EmbedderPrecision::kFloat32), [](const fs::path& folder) {
    write(folder / "1_Pooling/config.json", R"({"pooling_mode_cls_token": true})");
  });
  CHECK(embedder->pooling() == Pooling::kCls);
  const Embeddings made = embed(*embedder, kTexts);
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    const auto ids = ids_of(encoder, kTexts[i]);
    CHECK(cosine(made.row(i), reference(encoder, ids, Pooling::kCls)) > 0.9999999);
  }
}

TEST_CASE("files that don't say how to pool mean the mean, with a warning") {
  CHECK(open({})->warnings().empty());
  const auto embedder =
      open({}, [](const fs::path& folder) { fs::remove_all(folder / "1_Pooling"); });
  CHECK(embedder->pooling() == Pooling::kMean);
  REQUIRE(embedder->warnings().size() == 1);
  CHECK(embedder->warnings()[0].find("1_Pooling/config.json") != std::string::npos);
}

TEST_CASE("a GGUF file gives the embeddings that the folder gives") {
  const auto encoder = standard();
  const test::TempDir folder;
  const auto path = folder / "tiny.gguf";
  fakes::write_file(path, fakes::encoder_gguf(encoder, TensorType::kF32).build().bytes);
  for (const EmbedderPrecision precision : kBoth) {
    EmbedderOptions options = with(precision);
    options.tokens_max = 32;  // which the folder says and GGUF can't
    const auto from_gguf = Embedder::open(path, options);
    if (!from_gguf) FAIL(from_gguf.error().message);
    CHECK((*from_gguf)->pooling() == Pooling::kCls);
    const auto from_folder = open(with(precision), [](const fs::path& at) {
      write(at / "1_Pooling/config.json", R"({"pooling_mode_cls_token": true})");
    });
    CHECK(same_bits(embed(**from_gguf, kTexts).values, embed(*from_folder, kTexts).values));
  }
}

TEST_CASE("a quantised GGUF file stays near the reference of its own weights") {
  const auto encoder = standard();
  const test::TempDir folder;
  fakes::write_file(folder / "q8.gguf",
                    fakes::encoder_gguf(encoder, TensorType::kQ8_0).build().bytes);
  const auto embedder = Embedder::open(folder / "q8.gguf", {});
  if (!embedder) FAIL(embedder.error().message);
  const Embeddings made = embed(**embedder, kTexts);
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    const auto ids = ids_of(encoder, kTexts[i], 48);
    CHECK(cosine(made.row(i), reference(encoder, ids, Pooling::kCls)) > 0.998);
  }
}

TEST_CASE("a safetensors file stands for its folder") {
  const test::TempDir folder;
  fakes::write_encoder_folder(folder.path(), standard());
  fs::rename(folder / "model.safetensors", folder / "other.safetensors");
  CHECK(Embedder::open(folder.path(), {}).error().code == ErrorCode::kNotFound);
  const auto embedder = Embedder::open(folder / "other.safetensors", {});
  REQUIRE(embedder);
  CHECK(same_bits(embed(**embedder, kTexts).values, embed(*open({}), kTexts).values));
}

TEST_CASE("the vocabulary of tokenizer.json serves where there is no vocab.txt") {
  const auto embedder = open({}, [](const fs::path& folder) {
    std::string entries;
    std::size_t id = 0;
    for (const std::string& line : standard().vocabulary) {
      entries += (id == 0 ? "\"" : ",\"") + line + "\":" + std::to_string(id);
      ++id;
    }
    fs::remove(folder / "vocab.txt");
    write(folder / "tokenizer.json",
          "{\"normalizer\": {\"lowercase\": true}, \"model\": {\"type\": "
          "\"WordPiece\", \"vocab\": {" +
              entries + "}}}");
  });
  CHECK(same_bits(embed(*embedder, kTexts).values, embed(*open({}), kTexts).values));
}

TEST_CASE("older names of tensors are known") {
  TinyEncoder encoder = standard();
  TinyEncoder renamed = encoder;
  renamed.tensors.clear();
  for (const auto& [name, tensor] : encoder.tensors) {
    std::string other = "bert." + name;
    for (const auto& [from, to] : {std::pair("LayerNorm.weight", "LayerNorm.gamma"),
                                   std::pair("LayerNorm.bias", "LayerNorm.beta")}) {
      const std::size_t at = other.find(from);
      if (at != std::string::npos) other.replace(at, std::string(from).size(), to);
    }
    renamed.tensors[other] = tensor;
  }
  const auto embedder = try_open({}, {}, renamed);
  if (!embedder) FAIL(embedder.error().message);
  CHECK(same_bits(embed(**embedder, kTexts).values, embed(*open({}), kTexts).values));
}

TEST_CASE("models that don't run here are refused by name") {
  const auto unsupported = [](const std::string& reason, const std::string& from,
                              const std::string& to) {
    check_refused(ErrorCode::kUnsupported, reason,
                  [&](const fs::path& folder) { replace(folder / "config.json", from, to); });
  };
  unsupported("roberta", "\"bert\"", "\"roberta\"");
  unsupported("gelu_new", "\"gelu\"", "\"gelu_new\"");
  unsupported("relative_key", "\"hidden_size\"",
              "\"position_embedding_type\":\"relative_key\",\"hidden_size\"");
  check_refused(ErrorCode::kUnsupported, "Dense", [](const fs::path& folder) {
    replace(folder / "modules.json", "models.Normalize", "models.Dense");
  });
  check_refused(ErrorCode::kUnsupported, "pooling_mode_max_tokens", [](const fs::path& folder) {
    write(folder / "1_Pooling/config.json", R"({"pooling_mode_max_tokens": true})");
  });
  check_refused(ErrorCode::kUnsupported, "cased", [](const fs::path& folder) {
    write(folder / "tokenizer_config.json", R"({"do_lower_case": false})");
  });
  check_refused(ErrorCode::kUnsupported, "BPE", [](const fs::path& folder) {
    write(folder / "tokenizer.json", R"({"model": {"type": "BPE", "vocab": {}}})");
  });
}

TEST_CASE("broken folders are refused, naming what is wrong") {
  check_refused(ErrorCode::kNotFound, "config.json",
                [](const fs::path& folder) { fs::remove(folder / "config.json"); });
  check_refused(ErrorCode::kNotFound, "vocab.txt",
                [](const fs::path& folder) { fs::remove(folder / "vocab.txt"); });
  check_refused(ErrorCode::kCorrupt, "config.json isn't JSON",
                [](const fs::path& folder) { write(folder / "config.json", "{"); });
  check_refused(ErrorCode::kCorrupt, "isn't JSON", [](const fs::path& folder) {
    write(folder / "modules.json", std::string(900'000, '['));
  });
  check_refused(ErrorCode::kCorrupt, "no folder's name", [](const fs::path& folder) {
    replace(folder / "modules.json", "1_Pooling", "../elsewhere");
  });
  check_refused(ErrorCode::kCorrupt, "number of layers", [](const fs::path& folder) {
    replace(folder / "config.json", "\"num_hidden_layers\":2", "\"num_hidden_layers\":0");
  });
  check_refused(ErrorCode::kCorrupt, "isn't a whole number", [](const fs::path& folder) {
    replace(folder / "config.json", "\"num_hidden_layers\":2", "\"num_hidden_layers\":-1");
  });
  check_refused(ErrorCode::kCorrupt, "encoder.layer.2.", [](const fs::path& folder) {
    replace(folder / "config.json", "\"num_hidden_layers\":2", "\"num_hidden_layers\":3");
  });
  check_refused(ErrorCode::kCorrupt, "128", [](const fs::path& folder) {
    replace(folder / "config.json", "\"intermediate_size\":128", "\"intermediate_size\":64");
  });
  check_refused(ErrorCode::kCorrupt, "heads", [](const fs::path& folder) {
    replace(folder / "config.json", "\"num_attention_heads\":2", "\"num_attention_heads\":3");
  });
  check_refused(ErrorCode::kUnsupported, "width of a head", [](const fs::path& folder) {
    replace(folder / "config.json", "\"num_attention_heads\":2", "\"num_attention_heads\":8");
  });
  check_refused(ErrorCode::kCorrupt, "vocabulary", [](const fs::path& folder) {
    std::ofstream(folder / "vocab.txt", std::ios::app) << "extra\n";
  });
}

TEST_CASE("a weight that isn't finite is refused") {
  TinyEncoder encoder = standard();
  encoder.tensors.at("encoder.layer.1.output.dense.weight").values[5] = INFINITY;
  const auto embedder = try_open({}, {}, encoder);
  REQUIRE_FALSE(embedder);
  CHECK(embedder.error().code == ErrorCode::kCorrupt);
  CHECK(embedder.error().message.find("layer.1.output.dense") != std::string::npos);
}

TEST_CASE("widths that int8 can't take run as floats") {
  const TinyEncoder encoder = fakes::tiny_encoder({.width = 48, .heads = 3});
  const auto refused = try_open(with(EmbedderPrecision::kInt8), {}, encoder);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kUnsupported);
  CHECK(refused.error().message.find("f32") != std::string::npos);
  const auto embedder = try_open(with(EmbedderPrecision::kFloat32), {}, encoder);
  REQUIRE(embedder);
  const Embeddings made = embed(**embedder, kTexts);
  const auto ids = ids_of(encoder, kTexts[0]);
  CHECK(cosine(made.row(0), reference(encoder, ids, Pooling::kMean)) > 0.9999999);
}

TEST_CASE("no texts give no rows, and a stop request ends the call") {
  const auto embedder = open({});
  const Embeddings none = embed(*embedder, {});
  CHECK(none.size() == 0);
  CHECK(none.values.empty());
  std::stop_source stop;
  stop.request_stop();
  cpu::ThreadPool pool(1);
  EmbedOptions options;
  options.stop = stop.get_token();
  CHECK(embedder->embed("a", pool, options).error().code == ErrorCode::kCancelled);
}

TEST_CASE("a model's file that shrinks is an error of the call") {
  const test::TempDir folder;
  fakes::write_encoder_folder(folder.path(), standard());
  const auto embedder = Embedder::open(folder.path(), {});
  REQUIRE(embedder);
  fs::resize_file(folder / "model.safetensors", 100);
  for (const std::size_t threads : {1, 2}) {
    cpu::ThreadPool pool(threads);
    const std::vector<std::string_view> many(100, kTexts[4]);  // threads work apart
    for (const auto texts : {std::span(kTexts), std::span(many)}) {
      const auto made = (*embedder)->embed(texts, pool, {});
      REQUIRE_FALSE(made);
      CHECK(made.error().code == ErrorCode::kIo);
    }
  }
}

TEST_CASE("precisions have names") {
  CHECK(embedder_precision("int8").value() == EmbedderPrecision::kInt8);
  CHECK(embedder_precision("f32").value() == EmbedderPrecision::kFloat32);
  CHECK(embedder_precision("f16").error().code == ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weft::inference
