#include "inference/remote/answer_builder.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace weft::inference {
namespace {

const RemoteEvents kNoEvents;

std::string tools(const std::string& pieces) {
  return R"({"choices":[{"delta":{"tool_calls":[)" + pieces + "]}}]}";
}

std::vector<ToolCall> calls_of(const std::vector<std::string>& pieces) {
  AnswerBuilder builder(kNoEvents);
  for (const std::string& each : pieces) REQUIRE(builder.add_chunk(tools(each)));
  return builder.take(false).tool_calls;
}

TEST_CASE("a chat's chunks become text, thinking, usage and a reason") {
  std::string heard;
  const RemoteEvents events{.on_text =
                                [&](std::string_view text) {
                                  heard += text;
                                  return true;
                                },
                            .on_think =
                                [&](std::string_view text) {
                                  heard.append("(").append(text).append(")");
                                  return true;
                                }};
  AnswerBuilder builder(events);
  for (
      const char* chunk :
      {R"({"model":"m","choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null})",
       R"({"choices":[{"delta":{"reasoning_content":"hm"}}]})",
       R"({"choices":[{"delta":{"content":"One"}}]})",
       R"({"choices":[{"delta":{"content":[{"type":"text","text":" two"}]}}]})",
       R"({"choices":[{"delta":{},"finish_reason":"length"}]})",
       R"({"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":3},"completion_tokens_details":{"reasoning_tokens":2}}})"}) {
    REQUIRE(builder.add_chunk(chunk));
  }
  CHECK(builder.is_complete());
  CHECK_FALSE(builder.is_done());
  REQUIRE(builder.add_chunk("[DONE]"));
  REQUIRE(builder.add_chunk("what follows is skipped"));
  const RemoteAnswer answer = builder.take(false);
  CHECK(heard == "(hm)One two");
  CHECK(answer.text == "One two");
  CHECK(answer.thinking == "hm");
  CHECK(answer.model == "m");
  CHECK(answer.finish == RemoteFinish::kLength);
  REQUIRE(answer.has_usage);
  CHECK(answer.usage ==
        Usage{.prompt_tokens = 7, .cached_tokens = 3, .think_tokens = 2, .answer_tokens = 3});
}

TEST_CASE("log-probabilities are read in both forms, a token before its text") {
  std::string heard;
  const RemoteEvents events{
      .on_text =
          [&](std::string_view text) {
            heard += text;
            return true;
          },
      .on_think = {},
      .on_token =
          [&](const TokenScore& token) { heard.append("<").append(token.text).append(">"); }};
  AnswerBuilder chat(events);
  REQUIRE(chat.add_chunk(
      R"({"choices":[{"delta":{"content":"\u20ac"},"logprobs":{"content":[{"token":"\ufffd","bytes":[226,130],"logprob":-0.5},{"token":"x","bytes":null,"logprob":-1}]}}]})"));
  CHECK(heard == "<\xE2\x82><x>€");
  CHECK(chat.take(false).tokens == std::vector<TokenScore>{{"\xE2\x82", -0.5F}, {"x", -1.0F}});
  AnswerBuilder completion(kNoEvents);
  REQUIRE(completion.add_chunk(
      R"({"choices":[{"text":"ab","logprobs":{"tokens":["a","b"],"token_logprobs":[-0.25,null]}}]})"));
  CHECK(completion.take(false).tokens == std::vector<TokenScore>{{"a", -0.25F}});
  AnswerBuilder wrong(kNoEvents);
  const auto positive = wrong.add_chunk(
      R"({"choices":[{"delta":{},"logprobs":{"content":[{"token":"a","logprob":2}]}}]})");
  REQUIRE_FALSE(positive);
  CHECK(positive.error().code == ErrorCode::kCorrupt);
}

TEST_CASE("streamed tool calls survive what servers do with index and id") {
  const std::vector<ToolCall> two = {{"a", "f", R"({"x":1})"}, {"b", "g", R"({"y":2})"}};
  // By the book: later pieces have only an index, and the calls are interleaved.
  CHECK(calls_of({R"({"index":0,"id":"a","function":{"name":"f","arguments":""}})",
                  R"({"index":1,"id":"b","function":{"name":"g","arguments":"{\"y\""}})",
                  R"({"index":0,"function":{"arguments":"{\"x\":1}"}})",
                  R"({"index":1,"function":{"arguments":":2}"}})"}) == two);
  // The index is always 0: a new id begins another call.
  CHECK(calls_of({R"({"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}})",
                  R"({"index":0,"function":{"arguments":":1}"}})",
                  R"({"index":0,"id":"b","function":{"name":"g","arguments":"{\"y\":2}"}})"}) ==
        two);
  // No index, or null; ids in the first pieces only, or in all.
  CHECK(calls_of({R"({"id":"a","function":{"name":"f","arguments":"{\"x\""}})",
                  R"({"index":null,"function":{"arguments":":1}"}})",
                  R"({"id":"b","function":{"name":"g"}})",
                  R"({"id":"b","function":{"name":"g","arguments":"{\"y\":2}"}})"}) == two);
  // Whole calls without ids, arguments as an object; and the same tool twice.
  CHECK(
      calls_of(
          {R"({"function":{"name":"f","arguments":{"x":1}}},{"function":{"name":"f","arguments":"{}"}})"}) ==
      std::vector<ToolCall>{{"call_0", "f", R"({"x":1})"}, {"call_1", "f", "{}"}});
  // A name that is repeated with each piece, without an id.
  CHECK(calls_of({R"({"index":0,"function":{"name":"f","arguments":"{\"x\""}})",
                  R"({"index":0,"function":{"name":"f","arguments":":1}"}})"}) ==
        std::vector<ToolCall>{{"call_0", "f", R"({"x":1})"}});
  CHECK(calls_of({R"(3,null,{"id":"a"},{"id":"a","function":{"name":"f"}})"}) ==
        std::vector<ToolCall>{{"a", "f", "{}"}});
}

TEST_CASE("an error inside a stream is the answer's error") {
  AnswerBuilder builder(kNoEvents);
  const auto failed = builder.add_chunk(R"({"error":{"message":"out of memory","code":500}})");
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::kNetwork);
  CHECK(failed.error().message.find("out of memory") != std::string::npos);
}

TEST_CASE("chunks that aren't objects are refused, and what is unknown in them is skipped") {
  for (const char* text : {"", "{", "[1]", "null", "\"a\"", "{\"choices\":[{}]} x"}) {
    AnswerBuilder builder(kNoEvents);
    const auto failed = builder.add_chunk(text);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().code == ErrorCode::kCorrupt);
  }
  AnswerBuilder builder(kNoEvents);
  for (const char* text :
       {"{}", R"({"choices":null})", R"({"choices":[null]})", R"({"choices":[{"delta":3}]})",
        R"({"choices":[{"delta":{"content":7,"tool_calls":{}},"logprobs":[],"finish_reason":1}]})",
        R"({"choices":[],"usage":{"prompt_tokens":-1,"completion_tokens":1e300}})"}) {
    CHECK(builder.add_chunk(text));
  }
  const RemoteAnswer answer = builder.take(false);
  CHECK(answer.text.empty());
  CHECK_FALSE(answer.has_usage);
}

TEST_CASE("broken UTF-8 in a chunk becomes U+FFFD") {
  AnswerBuilder builder(kNoEvents);
  REQUIRE(builder.add_chunk("{\"choices\":[{\"delta\":{\"content\":\"a\xC3(b\"}}]}"));
  CHECK(builder.take(false).text == "a\xEF\xBF\xBD(b");
}

TEST_CASE("a whole body is an answer too, one without choices is none") {
  AnswerBuilder builder(kNoEvents);
  REQUIRE(builder.add_whole(
      R"({"choices":[{"message":{"content":null,"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]})"));
  CHECK(builder.is_done());
  const RemoteAnswer answer = builder.take(false);
  CHECK(answer.finish == RemoteFinish::kToolCalls);
  CHECK(answer.tool_calls == std::vector<ToolCall>{{"a", "f", "{}"}});
  AnswerBuilder empty(kNoEvents);
  CHECK_FALSE(empty.add_whole(R"({"object":"list"})"));
}

TEST_CASE("a reader that has gone cancels") {
  const RemoteEvents events{.on_text = [](std::string_view) { return false; }};
  AnswerBuilder builder(events);
  const auto ended = builder.add_chunk(R"({"choices":[{"delta":{"content":"a"}}]})");
  REQUIRE_FALSE(ended);
  CHECK(ended.error().code == ErrorCode::kCancelled);
  CHECK(builder.is_cancelled());
  CHECK(builder.has_delivered());
  CHECK(builder.take(true).finish == RemoteFinish::kCancelled);
}

}  // namespace
}  // namespace weft::inference
