// Mutations of event streams of answers, cut anywhere: they are read without a crash, within their
// limits, and to the same answer as in one piece.

#include <catch2/catch.hpp>
#include <random>
#include <string>
#include <string_view>

#include "inference/remote/answer_builder.h"
#include "inference/remote/sse_parser.h"
#include "tests/fuzz/rounds.h"

using namespace weft;
using namespace weft::inference;

static constexpr std::uint64_t kMutationsMin = 3'000;

static const std::string kStreams[] = {
    "\xEF\xBB\xBF: ping\r\n\r\ndata: "
    "{\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\","
    "\"content\":\"\"}}]}\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"\xE2\x82\xAC a\"},"
    "\"logprobs\":{\"content\":[{\"token\":\"a\",\"bytes\":[97],\"logprob\":-0.5}]}}]}\r\n\r\n"
    "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\n"
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\r\n\r\n"
    "data: [DONE]\r\n\r\n",
    "data: "
    "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":"
    "\"f\",\"arguments\":\"{\"}}]}}]}\n\ndata: "
    "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,"
    "\"function\":{\"arguments\":\"}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n",
    "event: error\rdata: {\"error\":{\"message\":\"m\",\"code\":500}}\r\r",
    "data: "
    "{\"choices\":[{\"text\":\"b\",\"logprobs\":{\"tokens\":[\"b\"],\"token_logprobs\":[-1]}}]}"
    "\n\ndata\ndata: \nid: 1\n\n"};

static void mutate(std::string& text, std::mt19937& random) {
  static constexpr std::string_view kPieces[] = {"\n",
                                                 "\r",
                                                 "\r\n\r\n",
                                                 "data: ",
                                                 "data:",
                                                 ":",
                                                 "[DONE]",
                                                 "{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 "\"",
                                                 "\\u0000",
                                                 "null",
                                                 "-1",
                                                 "1e999",
                                                 "\xFF",
                                                 "\xE2\x82",
                                                 "\"index\":null,",
                                                 "\"error\":1,",
                                                 "true"};
  const std::size_t at = random() % (text.size() + 1);
  switch (random() % 4) {
    case 0:
      text.insert(at, kPieces[random() % std::size(kPieces)]);
      break;
    case 1:
      text.erase(at, random() % 20);
      break;
    case 2:
      if (at < text.size()) text[at] = static_cast<char>(random());
      break;
    default:
      text += text.substr(at, random() % 200);
  }
}

struct Outcome {
  bool is_ok = true;
  ErrorCode code{};
  std::string told;
  RemoteAnswer answer;
};

static Outcome read(std::string_view text, std::mt19937* cuts) {
  Outcome outcome;
  const RemoteEvents events{
      .on_text =
          [&](std::string_view piece) {
            outcome.told += piece;
            return true;
          },
      .on_think = {},
      .on_token = [&](const TokenScore& token) { outcome.told += token.text; }};
  SseParser parser({.line_bytes_max = 400, .event_bytes_max = 600});
  AnswerBuilder builder(events);
  while (!text.empty() && outcome.is_ok) {
    const std::size_t size = cuts == nullptr ? text.size() : 1 + (*cuts)() % 40;
    const auto fed = parser.feed(
        text.substr(0, size), [&](const SseEvent& event) { return builder.add_chunk(event.data); });
    text.remove_prefix(std::min(size, text.size()));
    outcome.is_ok = fed.has_value();
    if (!fed) outcome.code = fed.error().code;
  }
  outcome.answer = builder.take(false);
  return outcome;
}

TEST_CASE("mutated event streams give the same answer however they are cut") {
  test::Rounds rounds("event streams", {.inputs_min = kMutationsMin});
  while (rounds.next()) {
    std::mt19937 random(static_cast<std::mt19937::result_type>(rounds.seed()));
    std::string text = kStreams[random() % std::size(kStreams)];
    for (std::size_t i = random() % 8; i > 0; --i) mutate(text, random);
    const Outcome whole = read(text, nullptr);
    const Outcome cut = read(text, &random);
    INFO("seed " << rounds.seed());
    REQUIRE(whole.is_ok == cut.is_ok);
    REQUIRE(whole.code == cut.code);
    REQUIRE(whole.told == cut.told);
    REQUIRE(whole.answer.text == cut.answer.text);
    REQUIRE(whole.answer.tool_calls == cut.answer.tool_calls);
    REQUIRE(whole.answer.tokens == cut.answer.tokens);
  }
}
