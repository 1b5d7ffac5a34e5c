#include "inference/weights/merge.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "base/random.h"
#include "inference/weights/vocabulary.h"
#include "tests/fakes/gguf_writer.h"
#include "tests/inference/temporary_model.h"
#include "tests/inference/weights/memory_tensors.h"

namespace weft::inference {
namespace {

using Floats = std::vector<float>;

MemoryTensors one(Floats values) {
  MemoryTensors tensors;
  const std::uint64_t size = values.size();
  tensors.add("t.weight", {size, 1}, std::move(values));
  return tensors;
}

MemoryTensors noise(std::uint64_t seed, float scale = 1) {
  Random random(seed);
  MemoryTensors tensors;
  for (const char* name : {"a.weight", "b.weight"}) {
    Floats values(20 * 50);
    for (float& value : values) value = scale * static_cast<float>(random.normal());
    tensors.add(name, {20, 50}, std::move(values));
  }
  return tensors;
}

Floats merged(const TensorSource& base, std::vector<MergeInput> models, const MergeOptions& options,
              std::uint64_t step = 1 << 30) {
  auto result = MergedTensors::open(base, std::move(models), options);
  REQUIRE(result);
  return all_of(**result, 0, step);
}

TEST_CASE("linear, task arithmetic and VaRM by hand") {
  const auto base = one({1, 2, 3, 4});
  const auto a = one({3, 2, 3, 4});  // differences 2 0 0 0
  const auto b = one({1, 2, 3, 8});  // differences 0 0 0 4
  const std::vector<MergeInput> models = {{&a, "a", 1}, {&b, "b", 3}};
  CHECK(merged(base, models, {.method = MergeMethod::kLinear}) == Floats{1.5F, 2, 3, 7});
  CHECK(merged(base, models, {.method = MergeMethod::kTask, .scale = 0.5}) == Floats{2, 2, 3, 10});
  // Mean squares 1 and 4: shares 0.2 and 0.8.
  CHECK(merged(base, models, {.method = MergeMethod::kVarm}) == Floats{1.4F, 2, 3, 7.2F});
  const std::vector<MergeInput> same = {{&a, "a", 1}, {&a, "a", 1}};
  CHECK(merged(base, same, {.method = MergeMethod::kVarm}) == all_of(a, 0));
  const std::vector<MergeInput> unchanged = {{&base, "base", 1}, {&base, "base", 1}};
  CHECK(merged(base, unchanged, {.method = MergeMethod::kVarm}) == all_of(base, 0));
}

TEST_CASE("TIES by hand: trimmed, elected, averaged, and zeros go with the majority") {
  const auto base = one({10, 10, 10, 10, 10});
  const auto a = one({15, 8, 10.5F, 12, 10});  // +5 -2 +0.5 +2  0
  const auto b = one({13, 6, 10, 8, 10.25F});  // +3 -4  0   -2 +0.25
  const std::vector<MergeInput> models = {{&a, "a", 1}, {&b, "b", 1}};
  // Three of five are kept: a +5 -2 . +2 . and b +3 -4 . -2 . ; the fourth sum is 0, and of the
  // signs + - 0 0 0 neither has the majority, which then is taken to be +.
  CHECK(merged(base, models, {.method = MergeMethod::kTies, .density = 0.6}) ==
        Floats{14, 7, 10, 12, 10});
  CHECK(merged(base, models, {.method = MergeMethod::kTies, .scale = 2, .density = 0.2}) ==
        Floats{20, 2, 10, 10, 10});
}

TEST_CASE("with nothing to drop the merge of one model is that model, bit for bit") {
  const auto base = noise(1, 1e6F);
  const auto tuned = noise(2, 1e-6F);
  CHECK(merged(base, {{&tuned, "tuned", 1}}, {}) == all_of(tuned, 0));
}

TEST_CASE("a merge doesn't depend on how it is read") {
  const auto base = noise(1);
  const auto a = noise(2);
  const auto b = noise(3);
  for (const MergeMethod method : {MergeMethod::kTask, MergeMethod::kTies}) {
    const MergeOptions options{.method = method, .density = 0.4, .drop = 0.3, .seed = 5};
    const std::vector<MergeInput> models = {{&a, "a", 0.7}, {&b, "b", 0.4}};
    const Floats whole = merged(base, models, options);
    CHECK(merged(base, models, options, 7) == whole);
    CHECK(merged(base, models, options, 1) == whole);
    CHECK(whole != all_of(base, 0));
  }
}

TEST_CASE("DARE drops other differences of each model and rescales what it keeps") {
  const auto base = one(Floats(4000, 1));
  const auto tuned = one(Floats(4000, 2));
  const MergeOptions options{.drop = 0.75, .seed = 1};
  const Floats alone = merged(base, {{&tuned, "tuned", 1}}, options);
  CHECK(std::ranges::count(alone, 5.0F) + std::ranges::count(alone, 1.0F) == 4000);
  CHECK(std::abs(std::ranges::count(alone, 5.0F) - 1000) < 3 * std::sqrt(4000 * 0.25 * 0.75));
  const Floats twice = merged(base, {{&tuned, "tuned", 1}, {&tuned, "tuned", 1}}, options);
  CHECK(std::ranges::count(twice, 9.0F) > 150);  // a sixteenth is kept of both: about 250
  CHECK(std::ranges::count(twice, 9.0F) < 350);
}

TEST_CASE("options and models that don't fit are refused by name") {
  const auto base = noise(1);
  const auto other = one({1, 2});
  const auto refusal = [&](std::vector<MergeInput> models, const MergeOptions& options) {
    return MergedTensors::open(base, std::move(models), options).error().message;
  };
  CHECK_THAT(refusal({{&other, "other", 1}}, {}),
             Catch::Contains("other") && Catch::Contains("'a.weight'"));
  CHECK_THAT(refusal({}, {}), Catch::Contains("no model"));
  CHECK_THAT(refusal({{&base, "x", 1}}, {.drop = 1}), Catch::Contains("drop"));
  CHECK_THAT(refusal({{&base, "x", 1}}, {.method = MergeMethod::kVarm, .drop = 0.5}),
             Catch::Contains("DARE"));
  CHECK_THAT(refusal({{&base, "x", 1}}, {.method = MergeMethod::kTies, .density = 0}),
             Catch::Contains("density"));
  CHECK_THAT(refusal({{&base, "x", 1}, {&base, "y", -1}}, {.method = MergeMethod::kLinear}),
             Catch::Contains("sum to 0"));
}

TEST_CASE("tokens that one model added get the mean of the others' rows") {
  MemoryTensors source;
  source.add("token_embd.weight", {2, 2}, {1, 2, 3, 6});
  source.add("blk.0.attn_q.weight", {2, 2}, {1, 2, 3, 4});
  const PaddedVocabulary padded(source, 4);
  CHECK(padded.tensors()[0].dims == std::vector<std::uint64_t>{2, 4});
  CHECK(padded.tensors()[1].dims == std::vector<std::uint64_t>{2, 2});
  CHECK(all_of(padded, 0) == Floats{1, 2, 3, 6, 2, 4, 2, 4});
  CHECK(all_of(padded, 0, 1) == Floats{1, 2, 3, 6, 2, 4, 2, 4});
  CHECK(all_of(PaddedVocabulary(source, 1), 0) == Floats{1, 2, 3, 6});
}

TEST_CASE("vocabularies of which one begins the other can be aligned, others not") {
  const auto with_tokens = [](const std::vector<std::string>& tokens) {
    fakes::GgufWriter writer;
    writer.strings("tokenizer.ggml.tokens", tokens);
    return TemporaryModel(writer.build().bytes);
  };
  const TemporaryModel files[] = {with_tokens({"a", "b"}), with_tokens({"a", "b", "<pad>"}),
                                  with_tokens({"a", "c", "d"})};
  const auto base = GgufFile::open(files[0].path()).value();
  const auto longer = GgufFile::open(files[1].path()).value();
  const auto other = GgufFile::open(files[2].path()).value();
  CHECK(common_vocabulary(base, base).value() == 2);
  CHECK(common_vocabulary(base, longer).value() == 3);
  CHECK(common_vocabulary(longer, base).value() == 3);
  CHECK_THAT(common_vocabulary(other, base).error().message, Catch::Contains("token 1 is another"));
}

}  // namespace
}  // namespace weft::inference
