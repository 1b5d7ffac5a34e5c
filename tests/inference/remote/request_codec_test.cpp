#include "inference/remote/request_codec.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "inference/remote/embedding_codec.h"

namespace weft::inference {
namespace {

using Json = nlohmann::json;

TEST_CASE("a chat's body has what was asked for and nothing else") {
  ChatRequest request{.messages = {{"system", "s"}, {"user", "u"}}, .settings = {}};
  const auto plain = chat_body(request, "");
  REQUIRE(plain);
  CHECK(Json::parse(*plain) == Json::parse(R"({
    "messages":[{"role":"system","content":"s"},{"role":"user","content":"u"}],
    "max_tokens":256,"temperature":0.0,"stream":true,"stream_options":{"include_usage":true}})"));
  request.messages.push_back({"assistant", "", {{"a", "f", "{}"}}});
  request.messages.push_back({"tool", "42", {}, "a"});
  request.settings.sampling = {
      .temperature = 1, .top_k = 5, .top_p = 0.5F, .min_p = 0.25F, .seed = 9};
  request.settings.stop = {"x"};
  request.settings.log_probabilities = true;
  request.settings.json_schema = R"({"type":"object","properties":{"z":{},"a":{}}})";
  request.tools = {{"f", "does f", R"({"type":"object"})"}};
  request.tool_choice = std::string("f");
  const auto full = chat_body(request, "m");
  REQUIRE(full);
  const Json json = Json::parse(*full);
  CHECK(json["model"] == "m");
  CHECK(json["messages"][2]["tool_calls"][0] ==
        Json::parse(R"({"id":"a","type":"function","function":{"name":"f","arguments":"{}"}})"));
  CHECK(json["messages"][3]["tool_call_id"] == "a");
  CHECK(json["top_k"] == 5);
  CHECK(json["min_p"] == 0.25);
  CHECK(json["seed"] == 9);
  CHECK(json["logprobs"] == true);
  CHECK(json["top_logprobs"] == 1);
  CHECK(json["tools"][0]["function"]["parameters"] == Json::parse(R"({"type":"object"})"));
  CHECK(json["tool_choice"] == Json::parse(R"({"type":"function","function":{"name":"f"}})"));
  CHECK(json["response_format"]["json_schema"]["strict"] == true);
  // The members of a schema keep their order, which is the answer's.
  CHECK(full->find("\"z\"") < full->find("\"a\":{}"));
}

TEST_CASE("schemas that are no JSON are refused, and broken UTF-8 is replaced") {
  ChatRequest request{.messages = {{"user", "a\xFF"}}, .settings = {}};
  const auto replaced = chat_body(request, "");
  REQUIRE(replaced);
  CHECK(Json::parse(*replaced)["messages"][0]["content"] == "a\xEF\xBF\xBD");
  request.settings.json_schema = std::string("{");
  CHECK_FALSE(chat_body(request, ""));
  request.settings.json_schema.clear();
  request.tools = {{"f", "", "[]"}};
  const auto tool = chat_body(request, "");
  REQUIRE_FALSE(tool);
  CHECK(tool.error().message.find("\"f\"") != std::string::npos);
}

TEST_CASE("what the protocol can't carry is refused by name") {
  GenerateOptions options;
  options.logits = {Penalties{.presence = 0.5F, .frequency = 1}};
  const auto settings = remote_settings(options);
  REQUIRE(settings);
  CHECK(settings->presence_penalty == 0.5F);
  CHECK(settings->frequency_penalty == 1);
  options.logits = {Penalties{.repeat = 1.5F}};
  const auto repeat = remote_settings(options);
  REQUIRE_FALSE(repeat);
  CHECK(repeat.error().code == ErrorCode::kUnsupported);
  CHECK(repeat.error().message.find("repeat_penalty") != std::string::npos);
  options.logits = {LogitBias{}};
  CHECK_FALSE(remote_settings(options));
  options.logits.clear();
  options.scored_end = 3;
  CHECK_FALSE(remote_settings(options));
}

TEST_CASE("embeddings come in the order of their index, or not at all") {
  const auto made = read_embeddings(
      R"({"data":[{"index":1,"embedding":[3,4]},{"index":0,"embedding":[1,2.5]}],"usage":{"prompt_tokens":6}})",
      2);
  REQUIRE(made);
  CHECK(made->vectors == std::vector<std::vector<float>>{{1, 2.5F}, {3, 4}});
  CHECK(made->prompt_tokens == 6);
  for (const char* body :
       {"", "{}", R"({"data":[]})", R"({"data":[{"embedding":[1]},{"embedding":[1,2]}]})",
        R"({"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]})",
        R"({"data":[{"index":2,"embedding":[1]},{"index":0,"embedding":[1]}]})",
        R"({"data":[{"embedding":["1"]},{"embedding":[1]}]})",
        R"({"data":[{"embedding":[]},{"embedding":[]}]})",
        R"({"data":[{"embedding":[1e300]},{"embedding":[1]}]})"}) {
    INFO(body);
    const auto wrong = read_embeddings(body, 2);
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().code == ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace weft::inference
